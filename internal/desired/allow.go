package desired

import (
	"errors"
	"maps"
	"net/netip"
	"slices"
	"time"

	"reconciler/internal/observed"
)

// Allowed is a prefix that an operator keeps from being banned.
type Allowed struct {
	Prefix netip.Prefix
	Until  time.Time // zero: until it is taken back
}

// allowance is the last word on a prefix, also that it is allowed no longer: an
// older word that comes again does not count.
type allowance struct {
	Prefix netip.Prefix `json:"ip"`
	At     time.Time    `json:"at"`
	Until  time.Time    `json:"until,omitzero"` // zero: until it is taken back
	Ended  bool         `json:"ended,omitempty"`
}

func allowanceOf(rec Record, t time.Time) allowance {
	if rec.Op == OpDisallow {
		return allowance{Prefix: rec.Prefix, At: t, Ended: true}
	}
	return allowance{Prefix: rec.Prefix, At: t, Until: rec.Until(t)}
}

// allow takes an allow or a disallow. It means exactly its prefix.
func (f *Fold) allow(rec Record, t time.Time, recovered bool) {
	if last, known := f.allowed[rec.Prefix]; known && recovered && !t.After(last.At) {
		return
	}
	f.allowed[rec.Prefix] = allowanceOf(rec, t)
}

// holds reports whether nothing of the prefix is banned at now.
func (a allowance) holds(now time.Time) bool {
	return !a.Ended && (a.Until.IsZero() || now.Before(a.Until))
}

// keep gives until when the word is remembered by the times of later records.
func (a allowance) keep() time.Time {
	if !a.Ended && a.Until.IsZero() {
		return time.Unix(maxUnix, 0)
	}
	return laterBy(later(a.At, a.Until), keepPermanent)
}

// clearAllowed drops what is over and what no later record can ask about. A record
// of a wrong clock ends nothing: the clock itself must have come past the end.
func (f *Fold) clearAllowed() {
	maps.DeleteFunc(f.allowed, func(_ netip.Prefix, a allowance) bool {
		return !a.holds(f.seen) && !f.newest.Before(a.keep())
	})
}

// gatherAllowed takes what any of the logs keeps from being banned: the longest
// time counts.
func (s *Set) gatherAllowed(now time.Time, folds []*Fold) {
	longest := map[netip.Prefix]Allowed{}
	for _, f := range folds {
		for p, a := range f.allowed {
			if !a.holds(now) {
				continue
			}
			s.Next = sooner(s.Next, a.Until)
			if held, ok := longest[p]; !ok || EndsBefore(held.Until, a.Until) {
				longest[p] = Allowed{Prefix: p, Until: a.Until}
			}
		}
	}
	for _, p := range slices.SortedFunc(maps.Keys(longest), observed.Compare) {
		s.Allowed = append(s.Allowed, longest[p])
	}
}

func (f *Fold) exportAllowed() (all []allowance) {
	for _, p := range slices.SortedFunc(maps.Keys(f.allowed), observed.Compare) {
		all = append(all, f.allowed[p])
	}
	return all
}

func (f *Fold) restoreAllowed(all []allowance) error {
	for _, a := range all {
		p, err := ParsePrefix(a.Prefix.String())
		if err != nil || p != a.Prefix || a.At.IsZero() {
			return errors.New("an allow is not understood")
		}
		a.At, a.Until = writable(a.At), writableEnd(a.Until)
		f.allowed[p] = a
	}
	return nil
}

// writableEnd is writable for a time that may be never.
func writableEnd(t time.Time) time.Time {
	if t.IsZero() {
		return t
	}
	return writable(t)
}
