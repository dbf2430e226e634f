package controller

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"reconciler/internal/config"
	"reconciler/internal/hostfake"
)

// once reconciles once, as apply does.
func (w *world) once() *FileStore {
	w.t.Helper()
	l := w.loop(true)
	if _, err := l.Once(w.t.Context(), false); err != nil {
		w.t.Errorf("an apply fails: %v", err)
	}
	store := l.Store.(*FileStore)
	if err := store.Close(); err != nil {
		w.t.Error(err)
	}
	return store
}

// A subnet that is given another ACL takes its bans with it: what is left in the
// old one blocks nobody here any more.
func TestASubnetThatGetsAnotherACLIsFollowed(t *testing.T) {
	for _, mode := range []string{config.HostModeAll, config.HostModeOverflow} {
		t.Run(mode, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				w.config.HostMode, w.config.Resync = mode, 10*time.Second
				w.start()
				w.ban(time.Hour, "203.0.113.7")
				w.pass(15 * time.Second)
				w.wantEdge(w.acl, "203.0.113.7/32")
				other := w.sim.AddACL(w.sim.VPCOf(w.acl))
				for _, subnet := range w.sim.SubnetsOf(w.acl) {
					if err := w.sim.Associate(subnet, other); err != nil {
						t.Fatal(err)
					}
				}
				w.pass(time.Minute)
				w.wantEdge(other, "203.0.113.7/32")
				w.wantEdge(w.acl) // nothing of ours stays behind
			})
		})
	}
}

// With --nacl none the ACLs of before are left clean: an unban must reach them.
func TestWithNoACLAnyMoreTheOldOneIsLeftClean(t *testing.T) {
	for _, daemon := range []bool{true, false} {
		inWorld(t, func(t *testing.T, w *world) {
			w.start()
			w.ban(time.Hour, "203.0.113.7", "203.0.113.8")
			w.pass(5 * time.Second)
			w.wantEdge(w.acl, "203.0.113.7/32", "203.0.113.8/32")
			w.end()
			w.config.NACL = []string{config.NACLNone}
			if daemon {
				w.start()
				w.pass(5 * time.Second)
			} else {
				w.once()
			}
			w.wantEdge(w.acl)
			w.wantHost(true, "203.0.113.7", "203.0.113.8")
			calls := len(w.sim.Calls())
			if daemon {
				w.pass(10 * time.Minute)
			} else {
				w.once()
			}
			if n := len(w.sim.Calls()) - calls; n != 0 {
				t.Errorf("daemon=%t: once the ACL is clean %d calls of EC2 are made, want none", daemon, n)
			}
		})
	}
}

// An ACL that was to be left clean and has been deleted is as good as clean.
func TestARetiredACLThatIsDeletedIsForgotten(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		other := w.sim.AddACL(w.sim.VPCOf(w.acl))
		w.config.NACL = []string{w.acl, other}
		w.start()
		w.ban(time.Hour, "203.0.113.7")
		w.pass(5 * time.Second)
		w.wantEdge(other, "203.0.113.7/32")
		w.end()
		if err := w.sim.RemoveACL(other); err != nil {
			t.Fatal(err)
		}
		w.config.NACL = []string{w.acl}
		l := w.loop(false)
		if _, err := l.Plan(t.Context()); err != nil {
			t.Errorf("a plan fails since an ACL of before is gone: %v", err)
		}
		if used := w.once().Usages()[other]; used != nil {
			t.Errorf("the ACL that is gone is still remembered: %v", used)
		}
	})
}

// A look is due so long after the last one, however many bans come between.
func TestBansDoNotPutOffTheNextLookAtTheHost(t *testing.T) {
	inWorld(t, func(_ *testing.T, w *world) {
		w.start()
		w.ban(time.Hour, "203.0.113.7")
		w.pass(12 * time.Second)
		w.wantHost(true, "203.0.113.7")
		w.fw.Flush()
		w.pass(6 * time.Second)
		w.ban(time.Hour, "203.0.113.8")
		w.pass(3 * time.Second) // 11 s after the last look
		w.wantHost(true, "203.0.113.7")
	})
}

// A burst that takes a while makes one write at its start and one at its end.
func TestABurstMakesTwoWritesOfTheHost(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.start()
		w.ban(time.Hour, "203.0.113.7")
		w.pass(5 * time.Second)
		var writes atomic.Int32
		w.fw.Before = func(c hostfake.Call) error {
			if c.Writes() {
				writes.Add(1)
			}
			return nil
		}
		for i := range 25 {
			w.ban(time.Hour, fmt.Sprintf("198.51.100.%d", i))
			w.pass(10 * time.Millisecond)
		}
		w.pass(2 * time.Second)
		w.wantHost(true, "198.51.100.0", "198.51.100.24")
		if n := writes.Load(); n > 2 {
			t.Errorf("a burst of a quarter of a second makes %d writes of the host, want two at most", n)
		}
	})
}
