package plan

import (
	"maps"
	"slices"

	"reconciler/internal/desired"
	"reconciler/internal/observed"
)

// doubtful says that the outcome of the last write to this number is not known.
func (p *aclPlanner) doubtful(n int) bool {
	_, doubt := p.acl.Doubts[n]
	return doubt
}

// mayReturn says that an earlier write to the number may still put back what a
// delete takes away, when no record would name it any more.
func (p *aclPlanner) mayReturn(n int) bool {
	d := p.acl.Doubts[n]
	return d.Repeated && Action(d.Action) != Delete
}

// retryDoubts repeats each write of this family whose outcome is not known, on
// the same number, as long as it would still be made. Deletes repeat by
// themselves, because their entry is still there to be judged.
func (s *placer) retryDoubts() {
	for _, n := range slices.Sorted(maps.Keys(s.acl.Doubts)) {
		prefix := s.acl.Doubts[n].Prefix
		if !prefix.IsValid() || observed.FamilyOf(prefix) != s.family || s.retrying[prefix] {
			continue
		}
		ban, wanted := s.want.find(prefix, s.now)
		if wanted && !s.refused(prefix) && s.works(n, prefix) && s.limits.Window.Contains(n) && !s.holds(prefix) && !s.covered(ban) {
			s.retrying[prefix] = s.retry(n, ban)
		}
	}
}

// retry repeats one write and says whether it could: a Create needs room, and a
// Replace an entry of ours that is to go.
func (s *placer) retry(n int, ban desired.Ban) bool {
	const why = "the last write to this number got no answer; the same again"
	if _, there := s.acl.At(n); !there {
		if s.count > s.quota { // the count has this entry in it already
			return false
		}
		s.emit(Change{Action: Create, Rule: n, Prefix: ban.Prefix, Shape: s.limits.Shape, Until: ban.Until, Jails: ban.Jails, Why: why})
		return true
	}
	for i := range s.ours {
		h := &s.ours[i]
		if h.Number == n && h.stale && !s.denied(Replace) && observed.FamilyOf(h.Prefix) == s.family && !s.opensGap(*h, ban.Prefix) {
			s.replace(h, ban, why)
			return true
		}
	}
	return false
}
