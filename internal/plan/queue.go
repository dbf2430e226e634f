package plan

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"

	"reconciler/internal/desired"
	"reconciler/internal/observed"
)

// The classes of bans that come before the others, whatever their rank.
const (
	fromOldWindow = -2 // those that move from an old window
	orphaned      = -1 // those that only a stale entry enforces
)

// waiting gives the bans of this family that no entry enforces yet, by class,
// then the latest end, then the least prefix. Nothing is sorted that cannot be
// placed.
func (s *placer) waiting() []desired.Ban {
	if s.capacityGone() {
		return nil
	}
	settled, class := s.classes()
	full := s.full()
	var bans []desired.Ban
	for i := range s.want.bans {
		b := &s.want.bans[i]
		if observed.FamilyOf(b.Prefix) != s.family || full && b.Prefix.IsSingleIP() || settled[b.Prefix] || over(*b, s.now) {
			continue
		}
		if !s.refused(b.Prefix) && !s.idles(*b, class) {
			bans = append(bans, *b)
		}
	}
	slices.SortFunc(bans, func(a, b desired.Ban) int {
		return cmp.Or(cmp.Compare(class[a.Prefix], class[b.Prefix]), rank(a, b))
	})
	return bans
}

// idles says that a ban is about to go and enforced without this ACL: the call
// that gave it a slot would be followed by the one that takes it back.
func (s *placer) idles(b desired.Ban, class map[netip.Prefix]int) bool {
	return b.Leaving && class[b.Prefix] == 0 && !s.limits.NoHost
}

// classes gives the bans that need no slot, and the class of those that come
// before others. A ban that covers one of them is of the same class.
func (s *placer) classes() (settled map[netip.Prefix]bool, class map[netip.Prefix]int) {
	settled, class = maps.Clone(s.retrying), map[netip.Prefix]int{}
	mark := func(b desired.Ban, ok bool, to int) {
		for ; ok; b, ok = s.want.cover(b, s.now) {
			class[b.Prefix] = min(class[b.Prefix], to)
		}
	}
	for i := range s.ours {
		if h := &s.ours[i]; h.wanted && !h.stale {
			settled[h.Prefix] = !h.moving || settled[h.Prefix] || s.reshapes(h)
			mark(h.ban, h.moving, fromOldWindow)
		}
	}
	for _, h := range slices.Concat(s.slots, s.doomed) {
		for claim := range s.want.claimed(h.Prefix, s.now) {
			b, ok := s.want.find(observed.Widen(claim.Prefix, s.limits.IPv6Prefix), s.now)
			mark(b, ok && !s.onHost(claim.Prefix), orphaned)
		}
	}
	return settled, class
}

// rank orders bans by their claim to a free slot: the latest end first, then
// the least prefix.
func rank(a, b desired.Ban) int {
	if desired.EndsBefore(b.Until, a.Until) {
		return -1
	}
	if desired.EndsBefore(a.Until, b.Until) {
		return 1
	}
	return observed.Compare(a.Prefix, b.Prefix)
}

func boolFirst(first bool) int {
	if first {
		return -1
	}
	return 1
}
