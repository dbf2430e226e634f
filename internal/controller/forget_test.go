package controller

import (
	"testing"
	"time"

	"reconciler/internal/ec2sim"
)

// A removal that was confirmed for one ban says nothing about the next ban of
// the same address: forgotten too soon, its entry would be nobody's for ever.
func TestAnOldConfirmationDoesNotForgetANewerBan(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.start()
		w.pass(5 * time.Second)
		w.ban(60*time.Second, "203.0.113.7")
		w.pass(60*time.Second + 50*time.Millisecond) // it came, went, and that was confirmed
		if w.atEdge(w.acl, "203.0.113.7/32") {
			t.Fatal("the first ban has ended and its entry is still there")
		}
		create := w.sim.Inject(ec2sim.Fault{Kind: ec2sim.FailAfter, Action: "CreateNetworkAclEntry"})
		w.ban(60*time.Second, "203.0.113.7")
		w.pass(500 * time.Millisecond)
		if create.Hits() != 1 || !w.atEdge(w.acl, "203.0.113.7/32") {
			t.Fatal("the entry was not made behind the daemon's back")
		}
		away := w.sim.Inject(ec2sim.Fault{Kind: ec2sim.FailBefore, Action: "DescribeNetworkAcls", Count: ec2sim.Always})
		w.pass(2 * time.Minute) // the ban ends while EC2 cannot be read
		w.wantHost(false, "203.0.113.7")
		away.Release()
		w.pass(5 * time.Minute)
		if w.atEdge(w.acl, "203.0.113.7/32") {
			t.Errorf("the ban has ended and the ACL denies it for ever: %v", w.denies(w.acl))
		}
	})
}
