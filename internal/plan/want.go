package plan

import (
	"iter"
	"net/netip"
	"slices"
	"sort"
	"time"

	"github.com/gaissmai/bart"

	"reconciler/internal/desired"
	"reconciler/internal/observed"
)

// Refusal is a ban that is not enforced, and the rule that made it so.
type Refusal struct {
	Prefix netip.Prefix
	Jails  []string
	Why    string
}

// Want is a desired set made ready for planning: guarded, widened, and indexed
// for covers. It is immutable and may be shared by all targets.
type Want struct {
	set     desired.Set
	bans    []desired.Ban // accepted and widened, sorted by prefix
	refused []Refusal
	guard   *guard
	wide    *bart.Table[time.Time] // accepted bans of more than one address; nil: none
	lifted6 []netip.Prefix         // the lifted IPv6 prefixes, sorted
	width   int
}

// Prepare makes a set ready. A paused set wants nothing.
func Prepare(set desired.Set, limits Limits) *Want {
	w := &Want{set: set, width: limits.IPv6Prefix}
	for p := range set.Lifted {
		if !p.Addr().Is4() {
			w.lifted6 = append(w.lifted6, p)
		}
	}
	slices.SortFunc(w.lifted6, observed.Compare)
	if set.Paused {
		return w
	}
	w.guard = newGuard(limits.Guard, set.Allowed)
	w.bans = make([]desired.Ban, 0, len(set.Bans))
	for _, b := range set.Bans {
		widened := b
		widened.Prefix = observed.Widen(b.Prefix, limits.IPv6Prefix)
		if why, refused := w.guard.refuses(widened.Prefix); refused {
			w.refused = append(w.refused, Refusal{Prefix: b.Prefix, Jails: b.Jails, Why: why})
			continue
		}
		w.add(widened)
	}
	w.indexWide()
	return w
}

// add appends a ban; sorted input stays sorted when widened, so equal prefixes meet.
func (w *Want) add(b desired.Ban) {
	last := len(w.bans) - 1
	if last < 0 || w.bans[last].Prefix != b.Prefix {
		w.bans = append(w.bans, b)
		return
	}
	merged := w.bans[last]
	if desired.EndsBefore(merged.Until, b.Until) {
		merged.Until = b.Until
	}
	merged.Leaving = merged.Leaving && b.Leaving
	merged.Jails = slices.Compact(slices.Sorted(slices.Values(slices.Concat(merged.Jails, b.Jails))))
	w.bans[last] = merged
}

func (w *Want) indexWide() {
	for _, b := range w.bans {
		if b.Prefix.IsSingleIP() {
			continue
		}
		if w.wide == nil {
			w.wide = new(bart.Table[time.Time])
		}
		w.wide.Insert(b.Prefix, b.Until)
	}
}

// Bans gives what is to be enforced, sorted by prefix. Do not change it.
func (w *Want) Bans() []desired.Ban { return w.bans }

// Refused gives the bans that a guard keeps out.
func (w *Want) Refused() []Refusal { return w.refused }

// Set gives the desired set that this was made from.
func (w *Want) Set() desired.Set { return w.set }

// incomplete says that a source may want more than is known of it.
func (w *Want) incomplete() bool { return len(w.set.Unknown) > 0 }

// find gives the accepted ban of exactly this prefix that has not ended.
func (w *Want) find(p netip.Prefix, now time.Time) (desired.Ban, bool) {
	i, ok := search(w.bans, p)
	if !ok || over(w.bans[i], now) {
		return desired.Ban{}, false
	}
	return w.bans[i], true
}

// claimed gives the bans inside p, p itself included, as they were asked for
// before any widening: those that have not ended and that no guard keeps out.
func (w *Want) claimed(p netip.Prefix, now time.Time) iter.Seq[desired.Ban] {
	return func(yield func(desired.Ban) bool) {
		if w.set.Paused {
			return
		}
		for _, b := range within(w.set.Bans, p) {
			if _, wanted := w.find(observed.Widen(b.Prefix, w.width), now); wanted && !over(b, now) && !yield(b) {
				return
			}
		}
	}
}

// cover gives the narrowest wider ban that ends no earlier than b.
func (w *Want) cover(b desired.Ban, now time.Time) (desired.Ban, bool) {
	if w.wide == nil {
		return desired.Ban{}, false
	}
	for p, until := range w.wide.Supernets(b.Prefix) {
		wider := desired.Ban{Prefix: p, Until: until}
		if p != b.Prefix && !desired.EndsBefore(until, b.Until) && !over(wider, now) {
			return wider, true
		}
	}
	return desired.Ban{}, false
}

func search(bans []desired.Ban, p netip.Prefix) (int, bool) {
	return sort.Find(len(bans), func(i int) int { return observed.Compare(p, bans[i].Prefix) })
}

// within gives the part of a sorted list that lies inside p, p itself included.
func within(bans []desired.Ban, p netip.Prefix) []desired.Ban {
	first, _ := search(bans, p)
	last := first
	for last < len(bans) && observed.Contains(p, bans[last].Prefix) {
		last++
	}
	return bans[first:last]
}

// over says that the ban's time has passed.
func over(b desired.Ban, now time.Time) bool {
	return !b.Until.IsZero() && !now.Before(b.Until)
}
