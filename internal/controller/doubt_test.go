package controller

import (
	"testing"
	"time"

	"reconciler/internal/ec2sim"
)

// A replace without an answer may still land, blindly. Had another ban got the
// number meanwhile, it would be overwritten, and in overflow mode be nowhere.
func TestANumberWhoseReplaceMayStillLandIsGivenToNobodyElse(t *testing.T) {
	replaceLandsLate(t, "")
}

// replaceLandsLate has a replace take effect minutes after its answer, which is
// an error of this code, or none at all.
func replaceLandsLate(t *testing.T, code string) {
	t.Helper()
	inWorld(t, func(t *testing.T, w *world) {
		w.config.HostMode = "overflow"
		w.neverUnblocked([]string{"203.0.113.2", "203.0.113.18", "203.0.113.99"})
		w.start()
		w.pass(5 * time.Second)
		w.ban(24*time.Hour, addrs(18)...)
		w.pass(40 * time.Second)
		w.ban(time.Hour, "203.0.113.19")
		w.pass(5 * time.Second)
		late := w.sim.Inject(ec2sim.Fault{Kind: ec2sim.LateEffect, Action: "ReplaceNetworkAclEntry", Code: code})
		w.unban("203.0.113.1") // its slot is to go to .19
		w.pass(time.Second)
		if late.Hits() != 1 {
			t.Fatal("no replace was made")
		}
		w.ban(48*time.Hour, "203.0.113.99") // and now another one wants it
		w.unban("203.0.113.19")
		w.pass(12 * time.Second)
		late.Release()
		w.pass(3 * time.Minute)
		w.wantEdge(w.acl, "203.0.113.99/32")
		if w.atEdge(w.acl, "203.0.113.19/32") || w.onHost("203.0.113.19") {
			t.Error("the ban whose replace came late was lifted and is still enforced")
		}
	})
}
