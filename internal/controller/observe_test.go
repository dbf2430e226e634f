package controller

import (
	"slices"
	"sync"
	"testing"
	"time"

	"reconciler/internal/ec2sim"
	"reconciler/internal/plan"
)

// watcher keeps what an observer is told.
type watcher struct {
	mu     sync.Mutex
	cycles []Cycle
	view   View
}

func (w *watcher) Cycle(c Cycle) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cycles = append(w.cycles, c)
}

func (w *watcher) View(v View) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.view = v
}

// waits gives how long lines waited for a target.
func (w *watcher) waits(target string) (all []time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range w.cycles {
		if c.Target == target {
			all = append(all, c.Waits...)
		}
	}
	return all
}

func TestTheObserverSeesCyclesAndTheLatestState(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		seen := &watcher{}
		l := w.loop(true)
		l.Observer = seen
		w.startLoop(l)
		w.pass(5 * time.Second)
		if got := seen.waits(plan.HostTarget); len(got) != 0 {
			t.Errorf("waits of %v were told although nothing was appended while the daemon ran", got)
		}
		w.ban(time.Hour, "203.0.113.7")
		w.pass(2 * time.Second)
		for _, target := range []string{plan.HostTarget, w.acl} {
			if got := seen.waits(target); len(got) != 1 || got[0] > 2*time.Second {
				t.Errorf("for one line %s was told the waits %v, want one of less than two seconds", target, got)
			}
		}
		seen.mu.Lock()
		defer seen.mu.Unlock()
		v := seen.view
		if all, _ := plan.Locate(v.Want, v.State, v.Limits, v.At).Tally(); all[plan.Both] != 1 || !v.Ready || len(v.Sources) != 1 {
			t.Errorf("the view has bans %v, ready %v, %d sources; want one ban in both places, ready, one source", all, v.Ready, len(v.Sources))
		}
	})
}

func TestALineThatAnACLCarriesOutLateHasWaitedThatLong(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		seen := &watcher{}
		l := w.loop(true)
		l.Observer = seen
		w.startLoop(l)
		w.pass(5 * time.Second)
		w.sim.Inject(ec2sim.Fault{Kind: ec2sim.Throttle, Count: ec2sim.Always})
		w.ban(time.Hour, "203.0.113.7")
		w.pass(3 * time.Minute)
		if got := seen.waits(w.acl); len(got) != 0 {
			t.Errorf("a throttled ACL was told to have carried lines out after %v", got)
		}
		w.sim.ReleaseAll()
		w.pass(3 * time.Minute)
		if got := seen.waits(w.acl); len(got) != 1 || got[0] < 3*time.Minute-2*time.Second {
			t.Errorf("the ACL was told the waits %v, want one of three minutes or more", got)
		}
	})
}

func TestEachOrderSettlesOncePerTarget(t *testing.T) {
	at := time.Unix(1000, 0)
	a := arrivals{}
	a.note([]string{"host", "acl-1"}, arrival{order: 2, at: at})
	a.note([]string{"host", "acl-1"}, arrival{order: 3, at: at.Add(time.Second)})
	if got := a.settle("host", 1, at.Add(5*time.Second)); got != nil {
		t.Errorf("an older order settled %v", got)
	}
	if got := a.settle("host", 3, at.Add(5*time.Second)); !slices.Equal(got, []time.Duration{5 * time.Second, 4 * time.Second}) {
		t.Errorf("the newest order settled %v, want both lines", got)
	}
	if got := a.settle("host", 4, at.Add(9*time.Second)); got != nil {
		t.Errorf("a line settled twice: %v", got)
	}
	if got := a.settle("acl-1", 2, at.Add(time.Minute)); !slices.Equal(got, []time.Duration{time.Minute}) {
		t.Errorf("the ACL settled %v, want its first line alone", got)
	}
	a.note([]string{"host"}, arrival{order: 5, at: at})
	if len(a) != 1 {
		t.Errorf("a target that is gone still waits: %v", a)
	}
	if got := a.settle("host", 5, at.Add(-time.Hour)); !slices.Equal(got, []time.Duration{0}) {
		t.Errorf("after a clock step the wait is %v, want 0", got)
	}
}
