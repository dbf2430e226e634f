package plan

import (
	"errors"
	"reflect"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"reconciler/internal/desired"
	"reconciler/internal/observed"
)

// A plan that is carried out call by call keeps every promise after every
// call, and what it reaches needs no further plan.
func TestPropertyAPlanIsSafeAtEveryCallAndReachesItsGoal(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := drawWorld(t)
		t.Logf("%v", w)
		before := w.clone()
		p := Compute(w.set, w.observe(), w.limits, w.now)
		v := watch(t, w)
		for _, c := range p.Changes {
			if err := v.call(c, false); err != nil {
				t.Fatalf("%s fails with %v, though nothing else has changed", Describe(c), err)
			}
		}
		checkDone(t, v)
		checkGoal(t, w)
		checkHolders(t, before, w, p)
		checkCalls(t, before, w, p)
		checkOverQuota(t, w, p)
		checkSummary(t, w, p.Summary)
		checkWithheld(t, w, p)
	})
}

// checkDone: the plan after a plan is empty, and no enforcement was given up
// without need.
func checkDone(t *rapid.T, v *watcher) {
	w := v.w
	again := Compute(w.set, w.observe(), w.limits, w.now)
	if len(again.Changes) > 0 {
		t.Fatalf("after the plan was carried out there is another, beginning with: %s (%s)", Describe(again.Changes[0]), again.Changes[0].Why)
	}
	checkLost(t, v)
}

// checkLost: no enforcement was given up that there was a place for.
func checkLost(t *rapid.T, v *watcher) {
	w := v.w
	givers := map[string]map[int]bool{} // rules that gave a ban up, by ACL
	for _, l := range v.lost {
		if givers[l.change.Target] == nil {
			givers[l.change.Target] = map[int]bool{}
		}
		givers[l.change.Target][l.change.Rule] = true
	}
	for _, l := range v.lost {
		enforced := w.host.blocks(l.ban, w.now) || l.acl != "" && w.stops(w.acl(l.acl), l.ban, w.limits.Shape)
		switch {
		case l.change.Reason == desired.Protected:
		case w.limits.NoHost && len(givers[l.change.Target]) > 1: // the second may have made the room that the first lacked
		case w.limits.NoHost && enforced && !l.full:
			t.Fatalf("the ban of %s was free for a while after: %s (%s)", l.ban, Describe(l.change), l.change.Why)
		case w.limits.HostCap > 0 && !enforced && len(w.host.ends) < w.limits.HostCap:
			t.Fatalf("the ban of %s was given up by %s, though the host has room", l.ban, Describe(l.change))
		}
	}
}

// A step that fails, at any point, opens no gap, and the next cycles mend it.
func TestPropertyFailingCallsAreSafeAndAreMended(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := drawWorld(t)
		if flip(t, 2, "with doubts") {
			drawDoubts(t, w)
		}
		t.Logf("%v", w)
		v := watch(t, w)
		for cycle := range rapid.IntRange(1, 5).Draw(t, "cycles with failures") {
			runCycle(t, v, func() bool { return flip(t, 3, "fails") })
			if cycle == 0 { // a read has settled the doubts
				w.doubts, w.hidden = nil, nil
				v = watch(t, w)
			}
		}
		const enough = 60 // an entry that moves through one spare slot takes two
		for range enough {
			if runCycle(t, v, func() bool { return false }) == 0 {
				break
			}
		}
		if p := Compute(w.set, w.observe(), w.limits, w.now); len(p.Changes) > 0 {
			t.Fatalf("%d cycles without a failure did not finish; there is still: %s (%s)", enough, Describe(p.Changes[0]), p.Changes[0].Why)
		}
		checkGoal(t, w)
		checkLost(t, v)
	})
}

// runCycle plans each target from pictures of the same moment, as the actors
// of the loop do, and goes on after failures. It returns the number of calls.
func runCycle(t *rapid.T, v *watcher, fails func() bool) int {
	w := v.w
	have := w.observe()
	want := Prepare(w.set, w.limits)
	var batches [][]Change
	if have.Host != nil {
		changes, _ := ForHost(want, *have.Host, have.ACLs, w.limits, w.now)
		checkOrder(t, changes, Repair, Pin, Add, Refresh, Remove)
		batches = append(batches, changes)
	}
	for _, acl := range have.ACLs {
		changes, _ := ForACL(want, acl, have.Host, w.limits, w.now)
		checkOrder(t, changes, Replace, Create, Delete)
		checkNumbers(t, acl, changes, w.limits)
		batches = append(batches, changes)
	}
	calls := 0
	for len(batches) > 0 { // the actors run side by side
		i := rapid.IntRange(0, len(batches)-1).Draw(t, "target")
		if len(batches[i]) == 0 {
			batches = slices.Delete(batches, i, i+1)
			continue
		}
		c := batches[i][0]
		batches[i] = batches[i][1:]
		calls++
		if err := v.call(c, fails()); errors.Is(err, errLimit) {
			t.Fatalf("%s goes over the quota", Describe(c))
		}
	}
	return calls
}

func checkOrder(t *rapid.T, changes []Change, order ...Action) {
	for i, c := range changes[min(len(changes), 1):] {
		if slices.Index(order, c.Action) < slices.Index(order, changes[i].Action) {
			t.Fatalf("%s comes after %s; the order is %v", Describe(c), Describe(changes[i]), order)
		}
	}
}

// checkNumbers: one pass has one change a number, and a number in doubt gets
// nothing but the same again.
func checkNumbers(t *rapid.T, acl observed.ACL, changes []Change, limits Limits) {
	seen := map[int]bool{}
	for _, c := range changes {
		if seen[c.Rule] {
			t.Fatalf("one pass changes rule %d twice", c.Rule)
		}
		seen[c.Rule] = true
		if d, doubt := acl.Doubts[c.Rule]; doubt && c.Action != Delete && c.Prefix != d.Prefix {
			t.Fatalf("%s takes a number whose last write, of %s, is in doubt", Describe(c), d.Prefix)
		}
		if c.Action != Delete && !limits.Window.Contains(c.Rule) {
			t.Fatalf("%s is outside of the window", Describe(c))
		}
	}
}

// Compute depends on nothing but its arguments, and leaves them alone.
func TestPropertyComputeIsDeterministicAndChangesNoArgument(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := drawWorld(t)
		t.Logf("%v", w)
		drawDoubts(t, w)
		have, same := w.observe(), w.observe()
		first := Compute(w.set, have, w.limits, w.now)
		second := Compute(w.set, same, w.limits, w.now)
		if !slices.Equal(first.Warnings, second.Warnings) || !reflect.DeepEqual(first.Changes, second.Changes) ||
			!reflect.DeepEqual(first.Withheld, second.Withheld) || !reflect.DeepEqual(first.Summary, second.Summary) {
			t.Fatalf("two plans of one state differ:\n%v\n%v", first, second)
		}
		if !reflect.DeepEqual(have, w.observe()) {
			t.Fatalf("planning changed the observed state")
		}
	})
}

// A second writer that carries out the same plan, at any speed, does no harm:
// no gap, no foreign entry touched, no quota broken, and the same end.
func TestPropertyASecondWriterIsHarmless(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := drawWorld(t)
		t.Logf("%v", w)
		p := Compute(w.set, w.observe(), w.limits, w.now)
		alone := w.clone()
		for _, c := range p.Changes {
			if err := alone.apply(c); err != nil {
				t.Fatalf("%s fails with %v", Describe(c), err)
			}
		}
		v := watch(t, w)
		writers := [][]Change{p.Changes, p.Changes}
		for len(writers[0])+len(writers[1]) > 0 {
			i := 0
			if len(writers[0]) == 0 || len(writers[1]) > 0 && rapid.Bool().Draw(t, "second writer") {
				i = 1
			}
			c := writers[i][0]
			writers[i] = writers[i][1:]
			_ = v.call(c, false) // that one finds the other's work done is to be expected
		}
		for _, a := range w.acls {
			if b := alone.acl(a.id); !reflect.DeepEqual(a.entries, b.entries) {
				t.Fatalf("two writers leave %s as %v, one as %v", a.id, a.entries, b.entries)
			}
		}
		if w.host != nil && !reflect.DeepEqual(w.host.ends, alone.host.ends) {
			t.Fatalf("two writers leave the host as %v, one as %v", w.host.ends, alone.host.ends)
		}
		checkLost(t, v)
	})
}
