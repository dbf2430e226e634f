package plan

import (
	"reconciler/internal/desired"
	"reconciler/internal/observed"
)

// reshape replaces in place what only has an old shape.
func (s *placer) reshape() {
	for i := range s.ours {
		h := &s.ours[i]
		if observed.FamilyOf(h.Prefix) == s.family && s.reshapes(h) && !s.rewritten(h.Number) && !s.covered(h.ban) {
			s.replace(h, h.ban, "the shape of bans was changed")
		}
	}
}

// reshapes says that the entry stays where it is and gets the shape of today.
func (s *placer) reshapes(h *held) bool {
	return !h.stale && h.moving && !s.refused(h.Prefix) && s.usable(h, h.ban)
}

// makeWay deletes entries that are to move to a new window when the quota has
// no room for a second entry of the same ban. The host enforces it meanwhile.
func (s *placer) makeWay() {
	if s.denied(Create) || s.room > 0 || s.count > s.quota || len(s.slots) > 0 {
		return
	}
	for i := range s.ours {
		h := &s.ours[i]
		if h.stale || !h.moving || s.limits.Window.Contains(h.Number) || observed.FamilyOf(h.Prefix) != s.family || !s.onHost(h.Prefix) {
			continue
		}
		if n, ok := s.freeNumber(h.Prefix); ok && !s.planned(h.Prefix) {
			s.used[n] = true
			h.drop(desired.Config, "moves to the new window; the host enforces it meanwhile")
			s.doomed = append(s.doomed, h)
		}
	}
}
