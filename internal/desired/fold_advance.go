package desired

import (
	"cmp"
	"net/netip"
	"slices"
	"time"

	"reconciler/internal/observed"
)

// What a fold keeps of the past at most. Claims are not bounded: they are what
// the log asks for.
const (
	maxTombs = 1 << 18
	maxPairs = 1 << 16
	maxNotes = 64
	maxOver  = 1 << 16 // claims that ended, of which steadyFor is not over
)

// Advance notes every claim that has ended by now, so that its prefix is
// lifted with a reason. It says whether something changed. The state does not
// depend on how often it is called. A clock that steps back makes claims that
// had ended active again.
func (f *Fold) Advance(now time.Time) bool {
	now = now.Round(0) // two monotonic readings would never show the step
	stepped := now.Before(f.seen)
	if stepped || now.Sub(f.seen) > smallStep {
		f.since, f.jumped = now, !f.seen.IsZero()
	}
	f.seen = now
	if !stepped && (f.due.IsZero() || now.Before(f.due)) {
		return false
	}
	f.due = time.Time{}
	changed := false
	for _, c := range f.sorted() {
		end, reason := c.over()
		over, noted := c.overAt(now), c.isNoted()
		changed = changed || over != noted
		switch {
		case !over:
			c.noted = time.Time{}
			f.due = sooner(f.due, end)
		case !noted:
			c.noted = end
			f.noteLifted(c.prefix, end, reason)
		}
	}
	f.clear()
	if changed {
		f.generation++
	}
	return changed
}

// Forget drops lifted prefixes whose removal every target has confirmed. Only
// those that were lifted by the given generation are dropped: one that was
// banned and lifted again since is still to be removed.
func (f *Fold) Forget(generation uint64, prefixes ...netip.Prefix) {
	for _, p := range prefixes {
		if l, ok := f.lifted[p]; ok && l.generation <= generation {
			delete(f.lifted, p)
			f.generation++
		}
	}
}

// bound keeps the traces of the past from growing without end. What would be
// dropped first by time goes first.
func (f *Fold) bound() {
	if !f.grown {
		return
	}
	f.grown = false
	tombs, pairs := f.tombs > maxTombs, len(f.pairs)-f.holders.pairs > maxPairs
	patterns := len(f.patterns)-f.holders.patterns > maxPairs
	if tombs || pairs || patterns {
		f.clearTraces()
	}
	// Each goes well below its limit, so that it is not looked at again for long.
	if tombs {
		f.boundTombs()
	}
	if pairs {
		f.boundPairs(f.pairs)
	}
	if patterns {
		f.boundPairs(f.patterns)
	}
}

func (f *Fold) boundTombs() {
	type grave struct {
		pair   *pair
		prefix netip.Prefix
		keep   time.Time
	}
	var all []grave
	for _, set := range []map[pairKey]*pair{f.patterns, f.pairs} {
		for _, p := range set {
			for prefix, t := range p.tombs {
				all = append(all, grave{p, prefix, t.keep})
			}
		}
	}
	slices.SortFunc(all, func(a, b grave) int {
		return cmp.Or(a.keep.Compare(b.keep), observed.Compare(a.prefix, b.prefix), a.pair.compare(b.pair.pairKey))
	})
	for _, g := range all[:max(0, len(all)-maxTombs*7/8)] {
		f.dropTomb(g.pair, g.prefix)
	}
}

// boundPairs drops what holds nothing; what holds something is not bounded here.
func (f *Fold) boundPairs(pairs map[pairKey]*pair) {
	var empty []*pair
	for _, p := range pairs {
		if p.empty() {
			empty = append(empty, p)
		}
	}
	slices.SortFunc(empty, func(a, b *pair) int {
		return cmp.Or(later(a.made, a.last).Compare(later(b.made, b.last)), a.compare(b.pairKey))
	})
	for _, p := range empty[:max(0, len(empty)-maxPairs*7/8)] {
		f.drop(p)
	}
}

// merge joins two sorted lists.
func merge(a, b []*claim) []*claim {
	joined := make([]*claim, 0, len(a)+len(b))
	for len(a) > 0 || len(b) > 0 {
		if len(b) == 0 || len(a) > 0 && compareClaims(a[0], b[0]) <= 0 {
			joined, a = append(joined, a[0]), a[1:]
		} else {
			joined, b = append(joined, b[0]), b[1:]
		}
	}
	return joined
}
