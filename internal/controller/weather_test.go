package controller

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"reconciler/internal/apply"
	"reconciler/internal/ec2sim"
	"reconciler/internal/hostfake"
	"reconciler/internal/observed"
)

// watchRules checks after every call what must hold at every moment: nothing
// foreign is touched, and no prefix is denied twice.
func (w *world) watchRules() {
	allow := func() string { return fmt.Sprint(w.foreign()) }
	before := allow()
	w.sim.OnCall(func(c ec2sim.Call) {
		if after := allow(); after != before {
			w.t.Errorf("%s changed an entry that is not ours: %s became %s", c.Action, before, after)
		}
		seen := map[string]int{}
		for n, p := range w.denies(w.acl) {
			if other, twice := seen[p]; twice {
				w.t.Errorf("after %s rules %d and %d both deny %s", c.Action, other, n, p)
			}
			seen[p] = n
		}
		if c.Code == "NetworkAclEntryLimitExceeded" {
			w.t.Errorf("%s went over the quota", c.Action)
		}
	})
}

func (w *world) foreign() []ec2sim.Entry {
	var out []ec2sim.Entry
	for _, e := range w.sim.Entries(w.acl) {
		if e.Egress || e.Allow || e.Default() {
			out = append(out, e)
		}
	}
	return out
}

func TestEveryKindOfFaultAtEveryWriteEndsInTheSameState(t *testing.T) {
	kinds := []ec2sim.FaultKind{
		ec2sim.Throttle, ec2sim.FailBefore, ec2sim.FailAfter, ec2sim.ResetBefore, ec2sim.ResetAfter,
		ec2sim.HangBefore, ec2sim.HangAfter, ec2sim.Truncate, ec2sim.LateEffect,
	}
	for _, action := range []string{"CreateNetworkAclEntry", "ReplaceNetworkAclEntry", "DeleteNetworkAclEntry", "DescribeNetworkAcls"} {
		for _, kind := range kinds {
			t.Run(fmt.Sprintf("%s/%s", action, kind), func(t *testing.T) {
				inWorld(t, func(t *testing.T, w *world) {
					w.start()
					w.pass(5 * time.Second)
					w.watchRules()
					fault := w.sim.Inject(ec2sim.Fault{Kind: kind, Action: action, Count: 2})
					if kind == ec2sim.LateEffect { // EC2 settles within settleTime
						go func() {
							<-fault.Hit()
							time.Sleep(settleTime - 5*time.Second)
							fault.Release()
						}()
					}
					w.ban(time.Hour, addrs(19)...)
					w.pass(10 * time.Second)
					w.unban("203.0.113.1") // its slot goes to the one that waits: a replace
					w.pass(15 * time.Second)
					w.unban("203.0.113.2") // a delete
					w.pass(15 * time.Second)
					fault.Release()
					w.pass(10 * time.Minute)
					if fault.Hits() == 0 {
						t.Fatalf("the fault was never met")
					}
					got := w.denies(w.acl)
					if len(got) != 17 || w.atEdge(w.acl, "203.0.113.1/32") || w.atEdge(w.acl, "203.0.113.2/32") {
						t.Errorf("in the end the ACL denies %v, want the 17 bans that are left", got)
					}
					w.wantEdge(w.acl, "203.0.113.19/32")
					w.wantHost(false, "203.0.113.1", "203.0.113.2")
					w.wantHost(true, addrs(19)[2:]...)
				})
			})
		}
	}
}

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
		refused := func() (n int) {
			for _, c := range w.sim.Calls() {
				if c.Code == "NetworkAclEntryLimitExceeded" {
					n++
				}
			}
			return n
		}
		if n := refused(); n != 1 {
			t.Errorf("the quota was run into %d times, want once", n)
		}
		w.end()
		w.start() // it is remembered
		w.pass(10 * time.Minute)
		if n := refused(); n != 1 {
			t.Errorf("after a restart the quota was run into %d times in all, want still once", n)
		}
		w.sim.SetQuota(20)
		w.pass(20 * time.Minute)
		if got := len(w.denies(w.acl)); got != 18 {
			t.Errorf("after the quota was raised the ACL denies %d, want 18", got)
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

// neverUnblocked checks after every write, to the host and to EC2, that no
// address of the list is free again that was blocked before.
func (w *world) neverUnblocked(list []string) {
	var mu sync.Mutex
	seen := map[string]bool{}
	check := func(after any) {
		mu.Lock()
		defer mu.Unlock()
		for _, a := range list {
			blocked := w.onHost(a) || w.coveredAtEdge(a)
			if seen[a] && !blocked {
				w.t.Errorf("after %v nobody blocks %s any more", after, a)
			}
			seen[a] = seen[a] || blocked
		}
	}
	w.sim.OnCall(func(c ec2sim.Call) { check(c.Action) })
	w.fw.After = func(c hostfake.Call) error {
		if c.Writes() {
			check(c)
		}
		return nil
	}
}

func TestInOverflowModeABanLeavesTheHostOnlyWhenTheACLHasIt(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.config.HostMode = "overflow"
		w.neverUnblocked(addrs(25))
		w.start()
		w.pass(5 * time.Second)
		w.ban(time.Hour, addrs(25)...)
		w.pass(15 * time.Second)
		edge, host := 0, 0
		for _, a := range addrs(25) {
			if w.atEdge(w.acl, a+"/32") {
				edge++
			}
			if w.onHost(a) {
				host++
			}
		}
		if edge != 18 || host != 7 {
			t.Errorf("the ACL has %d and the host %d of 25 bans, want 18 and 7", edge, host)
		}
	})
}

func TestWhenAWideBanEndsWhatItCoveredStaysBlocked(t *testing.T) {
	for _, mode := range []string{"all", "overflow"} {
		t.Run(mode, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				w.config.HostMode = mode
				w.neverUnblocked(addrs(4))
				w.start()
				w.pass(5 * time.Second)
				w.ban(time.Hour, append(addrs(4), "203.0.113.0/24")...)
				w.pass(5 * time.Second)
				if got := w.denies(w.acl); len(got) != 1 {
					t.Errorf("the ACL denies %v, want the wide ban alone", got)
				}
				w.log(fmt.Sprintf(`{"op":"unban","ip":"203.0.113.0/24","jail":"sshd","host":"bastion","time":%d}`, time.Now().Unix()))
				w.pass(30 * time.Second)
				w.wantEdge(w.acl, "203.0.113.1/32", "203.0.113.2/32", "203.0.113.3/32", "203.0.113.4/32")
				w.wantHost(false, "203.0.113.5")
			})
		})
	}
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

func TestALogThatDisappearsLiftsNothing(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.start()
		w.ban(time.Hour, addrs(3)...)
		w.pass(5 * time.Second)
		w.end()
		for _, damage := range []func() error{
			func() error { return removeFile(w.config.State[0]) },
			func() error { return writeFile(w.config.State[0], "") },
		} {
			if err := damage(); err != nil {
				t.Fatal(err)
			}
			w.start()
			w.pass(2 * time.Minute)
			w.wantHost(true, addrs(3)...)
			w.wantEdge(w.acl, "203.0.113.1/32", "203.0.113.2/32", "203.0.113.3/32")
			w.end()
		}
		if !strings.Contains(w.said.String(), "unavailable") {
			t.Errorf("the log does not say that the state is unavailable:\n%s", w.said)
		}
	})
}

func TestAddressesOfOneVPCRangeAreLiftedWhenTheRangeAppears(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.start()
		w.ban(time.Hour, "100.64.0.7")
		w.pass(5 * time.Second)
		w.wantHost(true, "100.64.0.7")
		subnet := w.sim.SubnetsOf(w.acl)[0]
		w.sim.AddInterface(ec2sim.Interface{
			Subnet: subnet, Private: []netip.Addr{netip.MustParseAddr("10.0.1.77")},
			Public: []netip.Addr{netip.MustParseAddr("100.64.0.7")},
		})
		w.pass(2 * time.Minute)
		w.wantHost(false, "100.64.0.7")
		if w.atEdge(w.acl, "100.64.0.7/32") {
			t.Errorf("the ACL denies an address of this host: %v", w.denies(w.acl))
		}
	})
}
