package controller

import (
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
		last := 0
		for n := range w.denies(w.acl) {
			last = max(last, n)
		}
		theirs := ec2sim.Entry{Number: last, Protocol: "6", Prefix: netip.MustParsePrefix("192.0.2.0/24"), Allow: true, Ports: ec2sim.PortRange{From: 443, To: 443}}
		if err := w.sim.PutEntry(w.acl, theirs); err != nil {
			t.Fatal(err)
		}
		w.pass(3 * time.Minute)
		if got := w.denies(w.acl); len(got) > 0 {
			t.Errorf("the ACL still denies %v", got)
		}
		there := keep(w.sim.Entries(w.acl), func(e ec2sim.Entry) bool { return e == theirs })
		if len(there) != 1 {
			t.Errorf("the operator's allow in rule %d is gone", last)
		}
		if n := w.sim.Count("DescribeNetworkAcls") - reads; n > 15 {
			t.Errorf("%d reads were made, want 15 at most", n)
		}
	})
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
	inWorld(t, func(t *testing.T, w *world) {
		w.config.HostMode = "overflow"
		w.neverUnblocked([]string{"203.0.113.2", "203.0.113.18", "203.0.113.99"})
		w.start()
		w.pass(5 * time.Second)
		w.ban(24*time.Hour, addrs(18)...)
		w.pass(40 * time.Second)
		w.ban(time.Hour, "203.0.113.19")
		w.pass(5 * time.Second)
		late := w.sim.Inject(ec2sim.Fault{Kind: ec2sim.LateEffect, Action: "ReplaceNetworkAclEntry", Code: "RequestLimitExceeded"})
		w.unban("203.0.113.1")
		w.pass(time.Second)
		if late.Hits() != 1 {
			t.Fatal("no replace was made")
		}
		w.ban(48*time.Hour, "203.0.113.99")
		w.unban("203.0.113.19")
		w.pass(12 * time.Second)
		late.Release()
		w.pass(3 * time.Minute)
		w.wantEdge(w.acl, "203.0.113.99/32")
		if w.atEdge(w.acl, "203.0.113.19/32") {
			t.Error("the ban whose replace came late was lifted and is still enforced")
		}
	})
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
