package controller

import (
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"reconciler/internal/ec2sim"
	"reconciler/internal/hostfake"
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
