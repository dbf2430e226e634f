package controller

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"reconciler/internal/ec2sim"
)

// With slow calls the last of many removals would rest on a look of a minute ago.
// An allow that an operator has put at such a number meanwhile stays.
func TestASlowACLIsLookedAtAgainBeforeItsLaterDeletes(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.start()
		w.pass(5 * time.Second)
		w.ban(24*time.Hour, addrs(17)...)
		w.pass(time.Minute)
		reads := w.sim.Count("DescribeNetworkAcls")
		w.sim.Inject(ec2sim.Fault{Kind: ec2sim.Slow, Delay: 4 * time.Second, Count: ec2sim.Always})
		for _, a := range addrs(17) {
			w.unban(a)
		}
		w.pass(30 * time.Second)
		theirs := w.allowAtTheLast()
		w.pass(3 * time.Minute)
		if got := w.denies(w.acl); len(got) > 0 {
			t.Errorf("the ACL still denies %v", got)
		}
		w.wantEntry(theirs)
		if n := w.sim.Count("DescribeNetworkAcls") - reads; n > 15 {
			t.Errorf("%d reads were made, want 15 at most", n)
		}
	})
}

// allowAtTheLast puts an operator's allow at the last number that a deny has.
func (w *world) allowAtTheLast() ec2sim.Entry {
	w.t.Helper()
	last := 0
	for n := range w.denies(w.acl) {
		last = max(last, n)
	}
	theirs := ec2sim.Entry{Number: last, Protocol: "6", Prefix: netip.MustParsePrefix("192.0.2.0/24"), Allow: true, Ports: ec2sim.PortRange{From: 443, To: 443}}
	if err := w.sim.PutEntry(w.acl, theirs); err != nil {
		w.t.Fatal(err)
	}
	return theirs
}

func (w *world) wantEntry(entry ec2sim.Entry) {
	w.t.Helper()
	if len(keep(w.sim.Entries(w.acl), func(e ec2sim.Entry) bool { return e == entry })) != 1 {
		w.t.Errorf("the entry of rule %d that somebody else made is gone", entry.Number)
	}
}

// An unban reaches an ACL although a policy denies replace: the slot is emptied
// and filled by another call.
func TestADeniedReplaceIsPlannedAround(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.sim.Deny("ReplaceNetworkAclEntry")
		w.start()
		w.pass(5 * time.Second)
		w.ban(24*time.Hour, addrs(20)...)
		w.pass(time.Minute)
		w.unban("203.0.113.1")
		w.pass(time.Minute)
		if w.atEdge(w.acl, "203.0.113.1/32") || len(w.denies(w.acl)) != 18 {
			t.Errorf("the ACL denies %v, want 18 without 203.0.113.1", w.denies(w.acl))
		}
		if !strings.Contains(w.said.String(), "ec2:ReplaceNetworkAclEntry") {
			t.Error("the log does not name the missing permission")
		}
		w.pass(10 * time.Minute)
		if n := w.sim.Count("ReplaceNetworkAclEntry"); n != 1 {
			t.Errorf("the denied call was made %d times, want once", n)
		}
	})
}

// A throttle is an answer to the last try alone: an earlier one may have had its
// effect, or have it later.
func TestAThrottledReplaceMayStillLand(t *testing.T) {
	replaceLandsLate(t, "RequestLimitExceeded")
}

// When no read succeeds for minutes, the host takes back what the ACL had.
func TestAnACLThatCannotBeReadIsNotTrustedForEver(t *testing.T) {
	inWorld(t, func(_ *testing.T, w *world) {
		w.config.HostMode = "overflow"
		w.start()
		w.pass(5 * time.Second)
		w.ban(24*time.Hour, addrs(3)...)
		w.pass(3 * time.Minute)
		w.wantHost(false, addrs(3)...)
		w.sim.Inject(ec2sim.Fault{Kind: ec2sim.FailBefore, Action: describe, Count: ec2sim.Always})
		w.pass(8 * time.Minute)
		w.wantHost(true, addrs(3)...)
	})
}

// A single reconcile looks again as well before what its first look is too old
// for, and ends when all is done.
func TestASlowApplyLooksAgainBeforeItsLaterDeletes(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.wake = make(chan struct{}, 1)
		w.ban(24*time.Hour, addrs(17)...)
		if _, err := w.loop(true).Once(t.Context(), false); err != nil {
			t.Fatal(err)
		}
		w.endOnce(t)
		for _, a := range addrs(17) {
			w.unban(a)
		}
		reads := w.sim.Count(describe)
		w.sim.Inject(ec2sim.Fault{Kind: ec2sim.Slow, Delay: 4 * time.Second, Count: ec2sim.Always})
		l, done := w.loop(true), make(chan error, 1)
		go func() {
			_, err := l.Once(t.Context(), false)
			done <- err
		}()
		w.pass(30 * time.Second)
		theirs := w.allowAtTheLast()
		if err := <-done; err != nil {
			t.Errorf("the apply ended with: %v", err)
		}
		w.endOnce(t)
		if got := w.denies(w.acl); len(got) > 0 {
			t.Errorf("the ACL still denies %v", got)
		}
		w.wantEntry(theirs)
		if n := w.sim.Count(describe) - reads; n < 3 || n > 15 {
			t.Errorf("%d reads were made, want 3 to 15", n)
		}
	})
}

// endOnce closes the state as the end of a command does.
func (w *world) endOnce(t *testing.T) {
	t.Helper()
	if err := w.store.Close(); err != nil {
		t.Fatal(err)
	}
}

// A delete that a policy denies leaves a lifted entry, and nobody may be waiting
// for its slot. The daemon says so until it is allowed, forgets nothing, and gives
// the slot to the next ban.
func TestADeniedDeleteIsToldAndMadeUpFor(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.start()
		w.pass(5 * time.Second)
		w.sim.Deny("DeleteNetworkAclEntry")
		w.ban(time.Minute, "203.0.113.1", "203.0.113.2")
		w.pass(5 * time.Minute)
		w.wantHost(false, "203.0.113.1", "203.0.113.2")
		if len(w.denies(w.acl)) != 2 || w.waiting() != 2 {
			t.Fatalf("the ACL denies %v and %d prefixes wait, want 2 and 2", w.denies(w.acl), w.waiting())
		}
		if told := fmt.Sprint(w.told.Load()); !strings.Contains(told, "degraded") {
			t.Errorf("systemd was told %q, want degraded", told)
		}
		if said := w.said.String(); !strings.Contains(said, "grant ec2:DeleteNetworkAclEntry") {
			t.Errorf("the log does not name the missing permission: %s", said)
		}
		w.ban(24*time.Hour, "203.0.113.3")
		w.pass(2 * time.Minute)
		w.wantEdge(w.acl, "203.0.113.3/32")
		if got := w.denies(w.acl); len(got) != 2 {
			t.Errorf("the ACL denies %v, want the new ban in the place of one that is over", got)
		}
		w.sim.Allow("DeleteNetworkAclEntry")
		w.pass(5 * time.Minute)
		if got := w.denies(w.acl); len(got) != 1 || w.waiting() != 0 {
			t.Errorf("the ACL denies %v and %d prefixes wait, want 203.0.113.3 alone and none", got, w.waiting())
		}
		if told := fmt.Sprint(w.told.Load()); !strings.Contains(told, "health ok") {
			t.Errorf("systemd was told %q, want ok", told)
		}
	})
}
