package plan

import (
	"fmt"
	"net/netip"
	"slices"

	"reconciler/internal/desired"
	"reconciler/internal/observed"
)

// placer hands the slots of one family of one ACL to the bans that need one.
type placer struct {
	*aclPlanner
	family   observed.Family
	quota    int
	count    int                   // entries of this family, those in doubt included
	room     int                   // how many entries may be created before the quota is reached
	used     map[int]bool          // numbers that are taken, by either family, or in doubt
	slots    []*held               // stale entries of this family that may be reused, the usable ones first
	doomed   []*held               // stale entries that must go, because the ACL is over its quota
	retrying map[netip.Prefix]bool // bans whose write in doubt this plan repeats
}

func newPlacer(p *aclPlanner, family observed.Family) *placer {
	s := &placer{aclPlanner: p, family: family, used: map[int]bool{}, retrying: map[netip.Prefix]bool{}}
	s.quota, s.count = p.limits.quota(p.acl.ID, family), p.acl.Count(family)
	for _, e := range p.acl.Entries {
		s.used[e.Number] = true
	}
	for n, d := range p.acl.Doubts {
		if _, there := p.acl.At(n); !there && d.Prefix.IsValid() && observed.FamilyOf(d.Prefix) == family {
			s.count++ // it may be there already
		}
		s.used[n] = true
	}
	for _, made := range p.changes[Create] { // by the other family, in this plan
		s.used[made.Rule] = true
	}
	s.room = max(0, s.quota-s.count)
	s.collect()
	return s
}

// collect finds the stale entries. As many as the ACL is over its quota are
// not reused, first those that could not be.
func (s *placer) collect() {
	var unusable []*held
	for i := range s.ours {
		h := &s.ours[i]
		switch {
		case !h.stale || observed.FamilyOf(h.Prefix) != s.family:
		case s.limits.Window.Contains(h.Number) && !s.doubtful(h.Number):
			s.slots = append(s.slots, h)
		default:
			unusable = append(unusable, h)
		}
	}
	s.slots = append(s.slots, unusable...)
	over := max(0, s.count-s.quota)
	if s.denied(Delete) {
		over = 0 // what cannot be deleted can still be of use
	}
	kept := max(0, len(s.slots)-over)
	s.slots, s.doomed = s.slots[:kept:kept], s.slots[kept:]
}

// place fills the slots: first the writes in doubt, then the bans that a lifted
// cover leaves behind, then moves to a new window, then all others by rank, and
// last what only changes its shape, because a wider ban may have taken its slot.
func (s *placer) place() {
	if s.retired() {
		s.deleteRest()
		return
	}
	s.retryDoubts()
	waiting := s.inherit(s.waiting())
	for _, b := range waiting {
		if s.capacityGone() {
			break
		}
		if s.full() && b.Prefix.IsSingleIP() || s.covered(b) {
			continue
		}
		s.settle(b)
	}
	s.reshape()
	s.makeWay()
	s.deleteRest()
}

// full says that only a wider ban can still get a slot: one of an entry that it covers.
func (s *placer) full() bool { return s.room == 0 && len(s.slots) == 0 }

func (s *placer) capacityGone() bool { return s.full() && s.want.wide == nil }

// inherit gives the slot of a lifted wide entry to the longest of the bans that
// it covered, and returns the bans that still wait.
func (s *placer) inherit(waiting []desired.Ban) []desired.Ban {
	for _, h := range slices.Clone(s.slots) {
		if h.Prefix.IsSingleIP() {
			continue
		}
		i := slices.IndexFunc(waiting, func(b desired.Ban) bool {
			_, covered := s.want.cover(b, s.now)
			return observed.Contains(h.Prefix, b.Prefix) && !covered && !s.covered(b) && s.fits(h, b)
		})
		if i >= 0 {
			s.take(h, waiting[i])
			waiting = slices.Delete(waiting, i, i+1)
		}
	}
	return waiting
}

// covered says that the ban needs no slot: an entry that is there and stays, or
// one that this plan writes, blocks it and ends no earlier.
func (s *placer) covered(b desired.Ban) bool {
	for i := range s.ours {
		h := &s.ours[i]
		if h.wanted && !h.stale && h.Prefix != b.Prefix && observed.Contains(h.Prefix, b.Prefix) &&
			!desired.EndsBefore(h.ban.Until, b.Until) && (!h.moving || s.reshapes(h)) {
			return true
		}
	}
	for _, action := range []Action{Replace, Create} {
		for _, c := range s.changes[action] {
			if c.Prefix != b.Prefix && observed.Contains(c.Prefix, b.Prefix) && !desired.EndsBefore(c.Until, b.Until) {
				return true
			}
		}
	}
	_, ok := s.yields(0, b.Prefix) // at any number
	return ok
}

// settle finds a number for the ban: a stale slot, a slot of an entry that the
// ban covers, or a free number within the quota.
func (s *placer) settle(b desired.Ban) {
	for _, h := range s.slots {
		if s.fits(h, b) {
			s.take(h, b)
			return
		}
	}
	if h := s.absorbable(b); h != nil {
		h.drop(desired.Covered, fmt.Sprintf("%s covers %s", b.Prefix, h.Prefix))
		s.replace(h, b, h.why+"; slot reused")
		return
	}
	if n, ok := s.freeNumber(b.Prefix); ok && s.room > 0 {
		s.used[n] = true
		s.room--
		s.emit(Change{Action: Create, Rule: n, Prefix: b.Prefix, Shape: s.limits.Shape, Until: b.Until, Jails: b.Jails, Why: s.whyNew(b)})
	}
}

// freeNumber gives the lowest free number of the window at which a ban of this
// prefix would work.
func (s *placer) freeNumber(prefix netip.Prefix) (int, bool) {
	n, free := s.lowestFree()
	if !free {
		return 0, false
	}
	return n, s.works(n, prefix) // where the lowest does not, no higher one does
}

// works says that an entry of ours for the prefix would do its work at this
// number: no lower allow overrules it, and no lower deny makes it needless.
func (s *placer) works(n int, prefix netip.Prefix) bool {
	_, shadowed := s.acl.Shadow(n, prefix, s.limits.Shape)
	_, needless := s.yields(n, prefix)
	return !shadowed && !needless
}

// lowestFree gives the lowest number of the window that nobody uses.
func (s *placer) lowestFree() (int, bool) {
	for n := s.limits.Window.First; n <= s.limits.Window.Last; n++ {
		if !s.used[n] {
			return n, true
		}
	}
	return 0, false
}

func (s *placer) whyNew(b desired.Ban) string {
	if s.acl.Lost[b.Prefix] {
		return "drift: its entry was gone"
	}
	for i := range s.ours {
		if h := &s.ours[i]; h.wanted && h.Prefix == b.Prefix {
			return fmt.Sprintf("moves from rule %d", h.Number)
		}
	}
	return "new ban"
}

// fits says that the slot can be rewritten for the ban, and that no other ban
// is left without enforcement.
func (s *placer) fits(h *held, b desired.Ban) bool {
	return s.usable(h, b) && !s.opensGap(*h, b.Prefix)
}

// usable says that the slot can be rewritten for the ban: its number is in the
// window, the ban would work there, and nothing else is planned for it or in
// doubt about it.
func (s *placer) usable(h *held, b desired.Ban) bool {
	return !s.denied(Replace) && s.limits.Window.Contains(h.Number) && s.works(h.Number, b.Prefix) && !s.doubtful(h.Number) && !s.rewritten(h.Number)
}

// absorbable finds an entry that stays, that the wider ban covers and outlives,
// so that one Replace does the work of a Create and a Delete.
func (s *placer) absorbable(b desired.Ban) *held {
	if b.Prefix.IsSingleIP() || s.want.incomplete() {
		return nil
	}
	for i := range s.ours {
		h := &s.ours[i]
		if h.wanted && !h.stale && h.Prefix != b.Prefix && observed.Contains(b.Prefix, h.Prefix) &&
			!desired.EndsBefore(b.Until, h.ban.Until) && s.fits(h, b) {
			return h
		}
	}
	return nil
}

// take rewrites a stale slot for the ban.
func (s *placer) take(h *held, b desired.Ban) {
	s.replace(h, b, h.why+"; slot reused")
	s.slots = slices.DeleteFunc(s.slots, func(o *held) bool { return o == h })
}

func (s *placer) replace(h *held, b desired.Ban, why string) {
	reason := h.reason
	if reason == "" {
		reason = desired.Config
	}
	s.emit(Change{
		Action: Replace, Rule: h.Number, Prefix: b.Prefix, Shape: s.limits.Shape, Until: b.Until, Jails: b.Jails,
		Old: h.Prefix, OldShape: h.Shape, Reason: reason, Why: why,
	})
}

// planned says that this plan writes an entry that blocks the prefix.
func (s *placer) planned(prefix netip.Prefix) bool {
	blocks := func(c Change) bool { return observed.Contains(c.Prefix, prefix) }
	return slices.ContainsFunc(s.changes[Create], blocks) || slices.ContainsFunc(s.changes[Replace], blocks)
}

// deleteRest removes the stale entries whose slot nobody took.
func (s *placer) deleteRest() {
	for _, h := range slices.Concat(s.slots, s.doomed) {
		if s.rewritten(h.Number) || s.mayReturn(h.Number) || s.opensGap(*h, netip.Prefix{}) {
			continue
		}
		s.emit(Change{Action: Delete, Rule: h.Number, Old: h.Prefix, OldShape: h.Shape, Reason: h.reason, Why: h.why})
	}
}

// rewritten says that this plan replaces or deletes the entry with this number.
func (s *placer) rewritten(n int) bool {
	at := func(c Change) bool { return c.Rule == n }
	return slices.ContainsFunc(s.changes[Replace], at) || slices.ContainsFunc(s.changes[Delete], at)
}
