package controller

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"reconciler/internal/apply"
	"reconciler/internal/ec2sim"
	"reconciler/internal/hostfake"
	"reconciler/internal/observed"
)

func TestALostResponseIsTriedAgainOnTheSameNumber(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.start()
		w.pass(5 * time.Second)
		w.sim.Inject(ec2sim.Fault{Kind: ec2sim.ResetAfter, Action: "CreateNetworkAclEntry"})
		// The read after it is stale: the entry does not show yet.
		w.sim.Inject(ec2sim.Fault{Kind: ec2sim.Stale, Action: "DescribeNetworkAcls", Writes: 1, Count: 3})
		w.ban(time.Hour, "203.0.113.1")
		w.pass(time.Minute)
		if got := w.denies(w.acl); len(got) != 1 || got[1] != "203.0.113.1/32" {
			t.Errorf("the ACL denies %v, want the one ban in rule 1", got)
		}
		for _, c := range w.sim.Writes() {
			if n := c.Params.Get("RuleNumber"); n != "1" {
				t.Errorf("%s was tried on rule %s, want rule 1 alone", c.Action, n)
			}
		}
	})
}

func TestAThrottledAccountIsNotHammered(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.start()
		w.pass(5 * time.Second)
		w.sim.Inject(ec2sim.Fault{Kind: ec2sim.Throttle, Count: ec2sim.Always})
		w.sim.ResetCalls()
		for i := range 60 {
			w.ban(time.Hour, fmt.Sprintf("203.0.113.%d", i+1))
			w.pass(time.Second)
		}
		w.wantHost(true, "203.0.113.1", "203.0.113.60")
		if n := len(w.sim.Calls()); n > 20 {
			t.Errorf("in a minute of throttling EC2 was called %d times, want 20 at most", n)
		}
	})
}

func TestACloudThatIsLateAtTheStartIsFoundSoonButNotHammered(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.sim.Inject(ec2sim.Fault{Kind: ec2sim.FailBefore, Action: "DescribeNetworkAcls", Count: ec2sim.Always})
		w.start()
		w.ban(time.Hour, "203.0.113.7")
		w.pass(5 * time.Second)
		if w.sim.Count("DescribeNetworkAcls") == 0 {
			t.Fatal("the ACLs were not looked for")
		}
		w.sim.ReleaseAll()
		w.pass(10 * time.Second)
		w.wantEdge(w.acl, "203.0.113.7/32")
		w.end()

		w.config.Resync = 10 * time.Minute
		w.sim.Inject(ec2sim.Fault{Kind: ec2sim.FailBefore, Action: "DescribeNetworkAcls", Count: ec2sim.Always})
		w.start()
		w.sim.ResetCalls()
		w.pass(time.Hour)
		if n := len(w.sim.Calls()); n > 90 {
			t.Errorf("in an hour without an answer EC2 was called %d times, want 90 at most", n)
		}
	})
}

// refusedForQuota counts the calls that ran into the quota.
func (w *world) refusedForQuota() (n int) {
	for _, c := range w.sim.Calls() {
		if c.Code == "NetworkAclEntryLimitExceeded" {
			n++
		}
	}
	return n
}

func TestALowerQuotaIsLearnedKeptAndTriedAgainLater(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.sim.SetQuota(10)
		w.start()
		w.ban(24*time.Hour, addrs(30)...)
		w.pass(10 * time.Second)
		if got := len(w.denies(w.acl)); got != 8 {
			t.Errorf("with a quota of 10 the ACL denies %d, want 8", got)
		}
		w.wantHost(true, addrs(30)...)
		if n := w.refusedForQuota(); n != 1 {
			t.Errorf("the quota was run into %d times, want once", n)
		}
		w.end()
		w.start() // it is remembered
		w.pass(10 * time.Minute)
		if n := w.refusedForQuota(); n != 1 {
			t.Errorf("after a restart the quota was run into %d times in all, want still once", n)
		}
		w.sim.SetQuota(20)
		w.pass(20 * time.Minute)
		if got := len(w.denies(w.acl)); got != 18 {
			t.Errorf("after the quota was raised the ACL denies %d, want 18", got)
		}
	})
}

// The refusal is the only word that EC2 gives about a quota, so it must not be
// forgotten because the count that makes a number of it fails for a while.
func TestAQuotaIsRunIntoOnceEvenWhenNoReadSucceedsAfterIt(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.sim.SetQuota(10)
		w.start()
		w.pass(5 * time.Second)
		w.sim.Inject(ec2sim.Fault{
			Kind: ec2sim.FailBefore, Action: "DescribeNetworkAcls", Count: ec2sim.Always,
			When: func(ec2sim.Call) bool { return w.refusedForQuota() > 0 },
		})
		w.ban(24*time.Hour, addrs(30)...)
		w.pass(2 * time.Minute)
		failed := w.sim.Count("DescribeNetworkAcls")
		w.sim.ReleaseAll()
		w.pass(5 * time.Minute)
		if w.sim.Count("DescribeNetworkAcls") == failed {
			t.Fatal("the ACL was not read again")
		}
		if got := len(w.denies(w.acl)); got != 8 {
			t.Errorf("with a quota of 10 the ACL denies %d, want 8", got)
		}
		if n := w.refusedForQuota(); n != 1 {
			t.Errorf("the quota was run into %d times, want once", n)
		}
	})
}

func TestAMissingPermissionIsNamedAndTheHostGoesOn(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.sim.Deny("CreateNetworkAclEntry")
		w.start()
		w.ban(time.Hour, "203.0.113.7", "203.0.113.8")
		w.pass(5 * time.Second)
		w.wantHost(true, "203.0.113.7", "203.0.113.8")
		if !strings.Contains(w.said.String(), "ec2:CreateNetworkAclEntry") {
			t.Errorf("the log does not name the missing permission:\n%s", w.said)
		}
		w.sim.Allow("CreateNetworkAclEntry")
		w.pass(3 * time.Minute)
		w.wantEdge(w.acl, "203.0.113.7/32", "203.0.113.8/32")
	})
}

func TestAnUnknownACLIsAClearError(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.config.NACL = []string{"acl-0123456789abcdef0"}
		w.ban(time.Hour, "203.0.113.7")
		_, err := w.loop(true).Once(t.Context(), false)
		if !errors.Is(err, observed.ErrACLNotFound) || !strings.Contains(err.Error(), "acl-0123456789abcdef0") {
			t.Errorf("applying to an ACL that does not exist gives %v, want ErrACLNotFound with its name", err)
		}
		w.wantHost(true, "203.0.113.7")
	})
}

// The host is looked at twice in one apply: before the ACLs and after them.
func TestAFailingFirewallIsOneMessageOfAnApply(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		const complaint = "the kernel is out of sorts"
		w.fw.Before = func(c hostfake.Call) error { return hostfake.Complaint(c, complaint) }
		w.ban(time.Hour, "203.0.113.7")
		_, err := w.loop(true).Once(t.Context(), false)
		if err == nil || strings.Count(err.Error(), complaint) != 1 {
			t.Errorf("applying with a firewall that fails gives %v, want %q once", err, complaint)
		}
		w.wantEdge(w.acl, "203.0.113.7/32")
	})
}

func TestEveryErrorOfTheAPIHasExactlyOneMeaning(t *testing.T) {
	meanings := []error{
		apply.ErrConflict, apply.ErrQuota, apply.ErrThrottled, apply.ErrDenied, apply.ErrMalformed,
		apply.ErrDoubtful, observed.ErrACLNotFound,
	}
	for code, want := range map[string]error{
		"NetworkAclEntryAlreadyExists": apply.ErrConflict, "InvalidNetworkAclEntry.NotFound": apply.ErrConflict,
		"NetworkAclEntryLimitExceeded": apply.ErrQuota, "InvalidNetworkAclID.NotFound": observed.ErrACLNotFound,
		"RequestLimitExceeded": apply.ErrThrottled, "EC2ThrottledException": apply.ErrThrottled,
		"UnauthorizedOperation": apply.ErrDenied, "AuthFailure": apply.ErrDenied,
		"InvalidParameterValue": apply.ErrMalformed, "InvalidParameterCombination": apply.ErrMalformed,
		"MissingParameter": apply.ErrMalformed, "InternalError": apply.ErrDoubtful, "SomethingNew": apply.ErrDoubtful,
	} {
		sim := ec2sim.New(ec2sim.Options{})
		id := sim.Bastion()
		sim.Inject(ec2sim.Fault{Kind: ec2sim.FailBefore, Code: code})
		_, err := observed.ReadACL(t.Context(), sim.LocalClient(), id, time.Now())
		err = apply.Explain(err, "ec2:DescribeNetworkAcls")
		for _, m := range meanings {
			if got, should := errors.Is(err, m), errors.Is(want, m); got != should {
				t.Errorf("%s means %q: %t, want %t", code, m, got, should)
			}
		}
	}
}
