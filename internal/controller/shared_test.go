package controller

import (
	"net/netip"
	"testing"
	"time"

	"reconciler/internal/ec2sim"
)

// What a lost host has left stays as it is. Where entries come and go a host
// lives, and to adopt its entries would delete them.
func TestAWindowInWhichEntriesComeAndGoIsShared(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		theirs := ec2sim.Entry{Number: 40, Protocol: "-1", Prefix: netip.MustParsePrefix("192.0.2.77/32")}
		if err := w.sim.PutEntry(w.acl, theirs); err != nil {
			t.Fatal(err)
		}
		w.start()
		w.ban(time.Hour, "203.0.113.1")
		w.pass(3 * time.Minute)
		w.unban("203.0.113.1")
		w.pass(3 * time.Minute)
		if w.now.Store.Shared(time.Now())[w.acl] {
			t.Fatal("entries that stay as they are count as those of a host that lives")
		}
		if err := w.sim.RemoveEntry(w.acl, false, 40); err != nil {
			t.Fatal(err)
		}
		w.pass(3 * time.Minute)
		if !w.now.Store.Shared(time.Now())[w.acl] {
			t.Error("an entry that somebody else took away was not noticed")
		}
		if w.now.Store.Shared(time.Now().Add(8 * 24 * time.Hour))[w.acl] {
			t.Error("the window counts as shared for ever")
		}
	})
}
