package controller

import (
	"net/netip"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"reconciler/internal/ec2sim"
	"reconciler/internal/hostfake"
	"reconciler/internal/observed"
	"reconciler/internal/testenv"
)

// beside builds a second bastion in the subnet of the first: its own log, its own
// firewall, the same ACL.
func (w *world) beside(rules observed.Window) *world {
	w.t.Helper()
	o := &world{t: w.t, sim: w.sim, fw: hostfake.New(), acl: w.acl, dir: w.t.TempDir(), said: &testenv.Buffer{}, connect: w.connect, config: w.config}
	o.config.State = []string{filepath.Join(o.dir, "bans.jsonl")}
	o.config.RunDir = filepath.Join(o.dir, "run")
	o.config.Rules = rules
	return o
}

// neverFree checks, after every write of anybody, that no bastion is without a ban
// that it had.
func neverFree(t *testing.T, addrs []string, all ...*world) {
	t.Helper()
	var mu sync.Mutex
	seen := map[*world]map[string]bool{}
	check := func(after string) {
		mu.Lock()
		defer mu.Unlock()
		for _, w := range all {
			if seen[w] == nil {
				seen[w] = map[string]bool{}
			}
			for _, a := range addrs {
				blocked := w.onHost(a) || w.coveredAtEdge(a)
				if seen[w][a] && !blocked {
					t.Errorf("after %s nobody blocks %s for %s any more", after, a, w.config.State[0])
				}
				seen[w][a] = blocked
			}
		}
	}
	for _, w := range all {
		w.fw.After = func(c hostfake.Call) error {
			if c.Writes() {
				check(c.Program)
			}
			return nil
		}
	}
	all[0].sim.OnCall(func(c ec2sim.Call) { check(c.Action) })
}

// Two bastions with windows of their own ban the same attackers at one moment. Of
// two equal denies one goes, and then there is rest.
func TestTwoBastionsThatBanTheSameComeToRest(t *testing.T) {
	for _, mode := range []string{"all", "overflow", "none"} {
		t.Run(mode, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				w.config.HostMode = mode
				if mode == "none" {
					w.config.HostMode, w.config.Host = "all", "none"
				}
				w.config.Rules = observed.Window{First: 1, Last: 45}
				o := w.beside(observed.Window{First: 46, Last: 90})
				defer o.close()
				attackers := addrs(3)
				neverFree(t, attackers, w, o)
				w.start()
				o.start()
				w.pass(5 * time.Second)
				w.ban(24*time.Hour, attackers...)
				o.ban(24*time.Hour, attackers...)
				w.pass(10 * time.Minute)
				got := w.denies(w.acl)
				if len(got) != 3 || w.writes() > 9 {
					t.Errorf("the ACL denies %v after %d writes, want 3 denies and 9 writes at most", got, w.writes())
				}
				for n := range got {
					if n > 45 {
						t.Errorf("rule %d has stayed, want the lower numbers", n)
					}
				}
				before := w.writes()
				w.pass(time.Hour)
				if more := w.writes() - before; more > 0 {
					t.Errorf("with nothing new the two made %d more writes", more)
				}
			})
		})
	}
}

// In overflow mode a bastion's firewall does not rely on the entry of another one,
// whose ban may end at any moment.
func TestInOverflowModeTheHostKeepsWhatOnlyANeighbourDenies(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.config.HostMode, w.config.Rules = "overflow", observed.Window{First: 46, Last: 90}
		w.start()
		w.pass(5 * time.Second)
		theirs := ec2sim.Entry{Number: 3, Protocol: "-1", Prefix: netip.MustParsePrefix("203.0.113.1/32")}
		if err := w.sim.PutEntry(w.acl, theirs); err != nil {
			t.Fatal(err)
		}
		w.pass(70 * time.Second)
		w.ban(24*time.Hour, "203.0.113.1")
		w.pass(3 * time.Minute)
		w.wantHost(true, "203.0.113.1")
		if err := w.sim.RemoveEntry(w.acl, false, 3); err != nil {
			t.Fatal(err)
		}
		w.pass(2 * time.Minute) // now an entry of its own takes over
		w.wantEdge(w.acl, "203.0.113.1/32")
		w.wantHost(false, "203.0.113.1")
	})
}

// Twins with one window act at one moment on a full ACL: each replaces the slots
// that the other replaces too. No ban may be nowhere, at any call.
func TestTwinsThatReplaceTheSameSlotsLeaveNoBanNowhere(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.config.HostMode = "overflow"
		twin := w.beside(w.config.Rules)
		defer twin.close()
		shared, ours, theirs := addrs(30)[:18], []string{"198.51.100.1", "198.51.100.2", "198.51.100.3"}, []string{"198.51.100.4", "198.51.100.5", "198.51.100.6"}
		free := func(b *world, list []string) (n int) {
			for _, a := range list {
				if !b.onHost(a) && !w.coveredAtEdge(a) {
					n++
				}
			}
			return n
		}
		w.start()
		twin.start()
		w.pass(5 * time.Second)
		w.ban(24*time.Hour, shared...)
		twin.ban(24*time.Hour, shared...)
		w.pass(20 * time.Minute) // whatever they thought of each other is forgotten
		w.ban(24*time.Hour, ours...)
		twin.ban(24*time.Hour, theirs...)
		w.pass(2 * time.Second)
		for _, a := range shared[:3] {
			w.unban(a)
			twin.unban(a)
		}
		for range 600 {
			w.pass(500 * time.Millisecond)
			if n := free(w, ours) + free(twin, theirs); n > 0 {
				t.Fatalf("%d bans are nowhere; the ACL denies %v", n, w.denies(w.acl))
			}
		}
	})
}
