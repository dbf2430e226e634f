package desired

import (
	"cmp"
	"slices"
	"time"
)

// A clock that jumped may jump back, and then what had ended is active again.
// So a claim is dropped only when the clock has gone on past its end for
// steadyFor, in steps of smallStep at most. A process that has just started
// knows of no jump, and takes an end that is longAgo for the mark of one.
const (
	steadyFor = time.Hour
	smallStep = 10 * time.Minute
	longAgo   = 30 * 24 * time.Hour
)

// clear removes what no later record can make a difference to: it goes by the
// newest record and not by the clock, so that a replay finds the same.
func (f *Fold) clear() {
	f.clearClaims()
	f.clearTraces()
	f.clearAllowed()
}

func (f *Fold) clearTraces() {
	for _, set := range []map[pairKey]*pair{f.patterns, f.pairs} {
		for _, p := range set {
			f.touched += uint64(1 + len(p.tombs))
			f.clearTombs(p)
			if f.idle(p) {
				f.drop(p)
			}
		}
	}
}

// clearClaims drops the claims that have ended and are forgotten. One record of
// a wrong clock makes all forgotten, so the clock must bear it out. Not every
// process lives to see that, so what is kept is bounded.
func (f *Fold) clearClaims() {
	var doubtful []*claim
	for _, p := range f.pairs {
		for _, c := range p.claims {
			switch {
			case !c.isNoted() || !f.forgotten(c) || f.seen.Before(c.until):
			case !f.borneOut(c.until):
				doubtful = append(doubtful, c)
			default:
				f.remove(c)
			}
		}
	}
	if len(doubtful) > maxOver {
		slices.SortFunc(doubtful, func(a, b *claim) int {
			return cmp.Or(a.until.Compare(b.until), compareClaims(a, b))
		})
		for _, c := range doubtful[:len(doubtful)-maxOver*7/8] {
			f.remove(c)
		}
	}
}

// borneOut says that the end of a claim is not the work of a clock that jumped.
func (f *Fold) borneOut(end time.Time) bool {
	steady := f.seen.Add(-steadyFor)
	doubted := f.jumped || end.Before(f.since.Add(-longAgo))
	return !steady.Before(end) && (!doubted || !steady.Before(f.since))
}

func (f *Fold) clearTombs(p *pair) {
	for prefix, t := range p.tombs {
		if !f.newest.Before(t.keep) {
			f.dropTomb(p, prefix)
		}
	}
}

func (f *Fold) idle(p *pair) bool {
	used := later(p.made, p.last)
	return p.empty() && !f.newest.Before(laterBy(used, keepPermanent))
}
