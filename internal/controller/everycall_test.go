package controller

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// The daemon is driven through random situations against the stateful fakes, once
// with nothing going wrong and then with everything that can befall a call, at
// every call in turn. After each call the promises are checked that one call can
// break; in the end everything is as the state asks.
func TestPropertyAFaultAtAnyCallBreaksNoPromise(t *testing.T) {
	situations, runs, met, between, kinds := 0, 0, 0, 0, map[string]int{}
	rapid.Check(t, func(rt *rapid.T) {
		s := drawSituation(rt)
		rt.Log(s)
		calm := s.run(t, rt, mishap{})
		situations++
		for _, target := range slices.Sorted(maps.Keys(calm.calls)) {
			for index, action := range calm.calls[target] {
				for _, m := range mishapsOf(target, action, index) {
					out := s.run(t, rt, m)
					runs, between = runs+1, between+out.between
					if out.met {
						met++
						kinds[m.kind]++
					}
				}
			}
		}
	})
	t.Logf("%d situations, %d mishaps at their calls, of which %d came to pass: %v; %d hand edits came between a look and a write",
		situations, runs, met, kinds, between)
	if runs > 0 && met < runs*9/10 {
		t.Errorf("of %d mishaps only %d came to pass", runs, met)
	}
	if situations < 3 || t.Failed() { // one alone may have no room for a write
		return
	}
	for _, kind := range everyKind() {
		if kinds[kind] == 0 {
			t.Errorf("%s never came to pass", kind)
		}
	}
	if between == 0 {
		t.Error("no hand edit came between a look and a write")
	}
}

// run lives a situation, and gives a trouble to the property.
func (s situation) run(t *testing.T, rt *rapid.T, m mishap) everyOutcome {
	dir, err := os.MkdirTemp("", "everycall")
	if err != nil {
		rt.Fatal(err)
	}
	defer func() { _ = os.RemoveAll(dir) }() // what stays is in the directory for such
	out := s.live(t, dir, m)
	if len(out.troubles) > 0 {
		rt.Fatalf("when %s:\n%s", m, fmt.Sprint(out.troubles[0]))
	}
	return out
}
