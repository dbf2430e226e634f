package plan

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"reconciler/internal/desired"
)

// While time passes, no ban is lifted early, and each is lifted on time: on the
// host when its end is reached, in an ACL with the next cycle.
func TestPropertyBansEndOnTimeAndNotBefore(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := drawWorld(t)
		t.Logf("%v", w)
		w.blind = false // nobody refreshes what cannot be read
		for range rapid.IntRange(1, 6).Draw(t, "steps of time") {
			settle(t, w)
			checkGoal(t, w)
			before := w.enforced()
			w.pass(time.Duration(rapid.IntRange(1, 26*3600).Draw(t, "seconds")) * time.Second)
			checkNotEarly(t, w, before)
			w.fold()
		}
	})
}

// checkNotEarly: what was enforced, and is not within the tolerance of its end,
// is enforced still.
func checkNotEarly(t *rapid.T, w *world, before map[place]enforcement) {
	for _, b := range w.active() {
		if !b.Permanent() && b.Until.Sub(w.now) <= endTolerance || w.limits.HostCap > 0 {
			continue // a full host has no place for what a wider entry covered
		}
		for at, was := range before {
			if at.ban == b.Prefix && !w.stands(at, was) {
				t.Fatalf("the ban of %s at %q ended by itself %s before its time", at.ban, at.acl, b.Until.Sub(w.now))
			}
		}
	}
}

// settle runs cycles until nothing is left to do.
func settle(t *rapid.T, w *world) {
	v := watch(t, w)
	for range 60 {
		if runCycle(t, v, func() bool { return false }) == 0 {
			return
		}
	}
	t.Fatalf("60 cycles did not settle")
}

// pass moves the clock on, but not past an end by more than needed: a cycle
// follows each expiry.
func (w *world) pass(d time.Duration) {
	next := w.now.Add(d)
	for _, b := range w.set.Bans {
		if !b.Until.IsZero() && b.Until.After(w.now) && b.Until.Before(next) {
			next = b.Until
		}
	}
	w.now = next
	if w.host != nil {
		w.host.tick(w.now)
	}
}

// fold lifts the bans that are over, as the fold of the log does.
func (w *world) fold() {
	bans := w.set.Bans[:0:0]
	for _, b := range w.set.Bans {
		if over(b, w.now) {
			w.set.Lifted[b.Prefix] = desired.Expired
		} else {
			bans = append(bans, b)
		}
	}
	w.set.Bans = bans
}
