package desired

import (
	"fmt"
	"iter"
	"net/netip"
	"slices"
	"sort"
	"time"

	"reconciler/internal/observed"
)

// Claim is the wish of one jail on one host, as status shows it.
type Claim struct {
	Prefix   netip.Prefix
	Host     string // empty: this host, or not known
	Jail     string
	From     time.Time
	Until    time.Time // zero: permanent
	FlushAt  time.Time // when a deferred flush ends it; zero: none is under way
	Reason   string    // foreign text: escape it before it is shown
	BanCount int
}

// Claims gives the claims that are active at now, sorted by prefix, host and jail.
func (f *Fold) Claims(now time.Time) iter.Seq[Claim] {
	return func(yield func(Claim) bool) {
		for _, c := range f.sorted() {
			if c.overAt(now) {
				continue
			}
			if !yield(f.show(c)) {
				return
			}
		}
	}
}

func (f *Fold) show(c *claim) Claim {
	return Claim{c.prefix, f.shown(c.pair.host), c.pair.jail, c.from, c.until, c.flushAt(), c.reason, c.banCount}
}

// Union gives what the sources want together at now: a prefix is wanted while
// any claim of any of them is active. It advances each fold to now. The Set
// shares memory with the folds; read it only. Bad is left empty, for the
// sources to fill.
func Union(now time.Time, folds ...*Fold) Set {
	set := Set{Lifted: make(map[netip.Prefix]Reason)}
	lists := make([][]*claim, len(folds))
	for i, f := range folds {
		f.Advance(now)
		lists[i] = f.sorted()
		set.Confirmed = later(set.Confirmed, f.confirmed)
	}
	set.Paused = paused(folds)
	set.gather(now, mergeAll(lists))
	set.gatherAllowed(now, folds)
	set.gatherLifted(folds)
	set.gatherNotes(now, folds)
	set.gatherStopped(now, folds)
	return set
}

// paused says whether the latest pause or resume is a pause, whichever log it is
// in. Of two of the same time in two logs the resume counts: bans in force are
// the safe side.
func paused(folds []*Fold) bool {
	var at time.Time
	on := false
	for _, f := range folds {
		switch {
		case f.pausedAt.After(at):
			at, on = f.pausedAt, f.paused
		case f.pausedAt.Equal(at):
			on = on && f.paused
		}
	}
	return on
}

// mergeAll joins sorted lists two by two, so that each claim is copied few times
// however many logs there are.
func mergeAll(lists [][]*claim) []*claim {
	switch len(lists) {
	case 0:
		return nil
	case 1:
		return lists[0]
	}
	half := len(lists) / 2
	a, b := mergeAll(lists[:half]), mergeAll(lists[half:])
	if len(a) == 0 {
		return b
	}
	if len(b) == 0 {
		return a
	}
	return merge(a, b)
}

// gather makes the Bans of claims that are sorted by prefix.
func (s *Set) gather(now time.Time, claims []*claim) {
	s.Bans = make([]Ban, 0, len(claims))
	for i := 0; i < len(claims); {
		end := i + 1
		for end < len(claims) && claims[end].prefix == claims[i].prefix {
			end++
		}
		s.join(now, claims[i:end])
		i = end
	}
}

// join makes one Ban of the claims on one prefix, if any of them is active.
func (s *Set) join(now time.Time, claims []*claim) {
	b := Ban{Leaving: true}
	for _, c := range claims {
		end, reason := c.over()
		if !end.IsZero() && !now.Before(end) {
			continue
		}
		s.Next = sooner(s.Next, end)
		b.Leaving = b.Leaving && reason == Flushed
		if !b.Prefix.IsValid() {
			b.Prefix, b.Until, b.Jails = c.prefix, c.until, c.pair.jails[:1:1]
			continue
		}
		if EndsBefore(b.Until, c.until) {
			b.Until = c.until
		}
		if at, ok := slices.BinarySearch(b.Jails, c.pair.jail); !ok {
			b.Jails = slices.Insert(b.Jails, at, c.pair.jail)
		}
	}
	if b.Prefix.IsValid() {
		s.Bans = append(s.Bans, b)
	}
}

// gatherLifted takes the prefixes that no source wants any more.
func (s *Set) gatherLifted(folds []*Fold) {
	latest := make(map[netip.Prefix]time.Time)
	for _, f := range folds {
		for prefix, l := range f.lifted {
			if at, ok := latest[prefix]; ok && at.After(l.at) {
				continue
			}
			if _, wanted := s.find(prefix); !wanted {
				latest[prefix], s.Lifted[prefix] = l.at, l.reason
			}
		}
	}
}

// gatherEverywhere finds the lifted prefixes that an operator's unban means in
// every source, whatever is known of it.
func (s *Set) gatherEverywhere(folds []*Fold) {
	s.Everywhere = map[netip.Prefix]bool{}
	for prefix := range s.Lifted {
		var lifted, unbanned time.Time
		for _, f := range folds {
			lifted = later(lifted, f.lifted[prefix].at)
			if p := f.patterns[pairKey{}]; p != nil {
				unbanned = later(unbanned, f.buriedAt(p, prefix))
			}
		}
		if !unbanned.IsZero() && !unbanned.Before(lifted) {
			s.Everywhere[prefix] = true
		}
	}
}

// buriedAt gives the latest unban of the prefix, or of one around it, that left
// a trace; zero is none.
func (f *Fold) buriedAt(p *pair, prefix netip.Prefix) (at time.Time) {
	for bits := prefix.Bits(); bits > 0; bits-- {
		at = later(at, f.tombAt(p, netip.PrefixFrom(prefix.Addr(), bits).Masked()))
	}
	return at
}

func (s *Set) find(prefix netip.Prefix) (int, bool) {
	return sort.Find(len(s.Bans), func(i int) int { return observed.Compare(prefix, s.Bans[i].Prefix) })
}

// lengths says which prefix lengths, in bits, the bans have.
func (s *Set) lengths() (has [129]bool) {
	for _, b := range s.Bans {
		has[b.Prefix.Bits()] = true
	}
	return has
}

// gatherNotes warns of each unban that a wider ban, older than it, outlives.
func (s *Set) gatherNotes(now time.Time, folds []*Fold) {
	lengths := s.lengths()
	for _, f := range folds {
		for _, n := range f.notes {
			for bits := range n.prefix.Bits() {
				if !lengths[bits] {
					continue
				}
				wider := netip.PrefixFrom(n.prefix.Addr(), bits).Masked()
				if _, wanted := s.find(wider); wanted && olderClaim(now, folds, wider, n.at) {
					s.Warnings = append(s.Warnings, fmt.Sprintf(
						"%s was unbanned, but the ban of %s still covers it; to lift that: reconciler unban -- %s",
						appendPrefix(nil, n.prefix), wider, wider))
				}
			}
		}
	}
}

func olderClaim(now time.Time, folds []*Fold, prefix netip.Prefix, at time.Time) bool {
	for _, f := range folds {
		for c := range f.inside(prefix) {
			if c.prefix != prefix {
				break
			}
			if !c.overAt(now) && !c.from.After(at) {
				return true
			}
		}
	}
	return false
}
