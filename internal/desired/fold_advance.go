package desired

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"
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
		over := c.overAt(now)
		if over && !c.noted {
			f.noteLifted(c.prefix, end, reason)
		}
		changed = changed || over != c.noted
		c.noted = over
		if !over {
			f.due = sooner(f.due, end)
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
	if f.tombs > maxTombs || len(f.pairs) > maxPairs || len(f.patterns) > maxPairs {
		f.clear()
	}
	if f.tombs > maxTombs {
		f.boundTombs()
	}
	boundPairs(f.pairs)
	boundPairs(f.patterns)
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
	for _, g := range all[:len(all)-maxTombs*7/8] {
		f.dropTomb(g.pair, g.prefix)
	}
}

func boundPairs(pairs map[pairKey]*pair) {
	if len(pairs) <= maxPairs {
		return
	}
	var idle []*pair
	for _, p := range pairs {
		if len(p.claims) == 0 && len(p.tombs) == 0 {
			idle = append(idle, p)
		}
	}
	slices.SortFunc(idle, func(a, b *pair) int {
		return cmp.Or(later(a.made, a.last).Compare(later(b.made, b.last)), a.compare(b.pairKey))
	})
	for _, p := range idle[:min(len(idle), maxPairs/8)] {
		delete(pairs, p.pairKey)
	}
}

func (k pairKey) compare(other pairKey) int {
	return cmp.Or(strings.Compare(k.host, other.host), strings.Compare(k.jail, other.jail))
}

// sorted gives the claims by prefix. New ones are sorted and merged in, so the
// cost of one more ban is a copy and not a sort.
func (f *Fold) sorted() []*claim {
	if len(f.fresh) > 0 {
		slices.SortFunc(f.fresh, compareClaims)
		f.order = merge(f.order, f.fresh)
		clear(f.fresh)
		f.fresh = f.fresh[:0]
	}
	if f.stale {
		f.order = slices.DeleteFunc(f.order, func(c *claim) bool { return c.gone })
		f.stale = false
	}
	return f.order
}

func compareClaims(a, b *claim) int {
	return cmp.Or(observed.Compare(a.prefix, b.prefix), a.pair.compare(b.pair.pairKey))
}

// merge joins two sorted lists, without the claims that are gone.
func merge(a, b []*claim) []*claim {
	joined := make([]*claim, 0, len(a)+len(b))
	for len(a) > 0 || len(b) > 0 {
		var c *claim
		if len(b) == 0 || len(a) > 0 && compareClaims(a[0], b[0]) <= 0 {
			c, a = a[0], a[1:]
		} else {
			c, b = b[0], b[1:]
		}
		if !c.gone {
			joined = append(joined, c)
		}
	}
	return joined
}
