package controller

import (
	"net/netip"
	"testing"
	"time"

	"reconciler/internal/config"
	"reconciler/internal/ec2sim"
)

func TestOneBadACLOfTwoHoldsUpNeitherTheOtherNorTheHost(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		vpc := w.sim.VPCOf(w.acl)
		subnet := w.sim.AddSubnet(vpc, netip.MustParsePrefix("10.0.2.0/24"), netip.Prefix{})
		second := w.sim.AddACL(vpc, subnet)
		w.sim.AddInterface(ec2sim.Interface{Subnet: subnet, Private: []netip.Addr{netip.MustParseAddr("10.0.2.10")}})
		w.start()
		w.pass(5 * time.Second)
		w.sim.Inject(ec2sim.Fault{
			Kind: ec2sim.FailBefore, Count: ec2sim.Always,
			When: func(c ec2sim.Call) bool { return c.Write && c.Params.Get("NetworkAclId") == second },
		})
		w.ban(time.Hour, "203.0.113.7")
		w.pass(5 * time.Second)
		w.wantHost(true, "203.0.113.7")
		w.wantEdge(w.acl, "203.0.113.7/32")
		if w.atEdge(second, "203.0.113.7/32") {
			t.Fatal("the fault did not hold the second ACL back")
		}
		w.sim.ReleaseAll()
		w.pass(3 * time.Minute)
		w.wantEdge(second, "203.0.113.7/32")
	})
}

func TestAnACLThatIsConfiguredNoLongerIsLeftClean(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		second := w.sim.AddACL(w.sim.VPCOf(w.acl))
		w.config.NACL = []string{w.acl, second}
		w.start()
		w.ban(time.Hour, addrs(2)...)
		w.pass(5 * time.Second)
		w.wantEdge(second, "203.0.113.1/32", "203.0.113.2/32")
		w.end()
		w.config.NACL = []string{w.acl}
		w.start()
		w.pass(2 * time.Minute)
		if got := w.denies(second); len(got) != 0 {
			t.Errorf("%s is configured no longer and still denies %v", second, got)
		}
		w.wantEdge(w.acl, "203.0.113.1/32", "203.0.113.2/32")
		w.end()
		w.config.NACL = []string{w.acl, second}
		w.start()
		w.pass(5 * time.Second)
		w.wantEdge(second, "203.0.113.1/32", "203.0.113.2/32")
	})
}

func TestAMistypedACLLiftsNothingFromTheOldOne(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.config.Host = config.HostIPSet
		w.start()
		w.ban(time.Hour, addrs(3)...)
		w.pass(5 * time.Second)
		w.end()
		w.config.NACL = []string{"acl-0123456789abcdef0"}
		if p, err := w.loop(false).Plan(t.Context()); err == nil || len(p.Changes) != 0 {
			t.Errorf("a plan for an ACL that does not exist gives %d changes and the error %v, want none and an error", len(p.Changes), err)
		}
		l := w.loop(true)
		if _, err := l.Once(t.Context(), false); err == nil {
			t.Error("an apply to an ACL that does not exist gives no error")
		}
		if err := l.Store.(*FileStore).Close(); err != nil {
			t.Fatal(err)
		}
		w.start()
		w.pass(5 * time.Minute)
		w.wantEdge(w.acl, "203.0.113.1/32", "203.0.113.2/32", "203.0.113.3/32")
	})
}
