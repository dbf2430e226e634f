package plan

import (
	"net/netip"

	"reconciler/internal/desired"
	"reconciler/internal/observed"
)

// blocks says that a deny stops all of the traffic from the whole prefix: it
// covers both, and no lower-numbered allow lets any of it pass.
func (p *aclPlanner) blocks(e observed.Entry, prefix netip.Prefix, traffic observed.Shape) bool {
	if e.Allow || !observed.Contains(e.Prefix, prefix) || !e.Shape.Contains(traffic) {
		return false
	}
	_, shadowed := p.acl.Shadow(e.Number, prefix, traffic)
	return !shadowed
}

// foreignCover finds an effective deny of somebody else that blocks all that a
// ban of this prefix would. It has no end that we know of.
func (p *aclPlanner) foreignCover(prefix netip.Prefix) (observed.Entry, bool) {
	return p.othersBlock(prefix, p.limits.Shape)
}

func (p *aclPlanner) othersBlock(prefix netip.Prefix, traffic observed.Shape) (observed.Entry, bool) {
	return p.otherThat(prefix, traffic, func(*observed.Entry) bool { return true })
}

// yields gives the deny of somebody else that an entry of ours at number n gives
// way to: a wider one, or one of the same prefix with a lower number. Whoever made
// it may judge ours by the same rule, and of two that cover each other only one
// may go, so the rule is a strict order.
func (p *aclPlanner) yields(n int, prefix netip.Prefix) (observed.Entry, bool) {
	return p.otherThat(prefix, p.limits.Shape, func(e *observed.Entry) bool { return e.Prefix != prefix || e.Number < n })
}

// otherThat finds an effective deny of somebody else that blocks the traffic from
// the whole prefix and of which more is true.
func (p *aclPlanner) otherThat(prefix netip.Prefix, traffic observed.Shape, more func(*observed.Entry) bool) (observed.Entry, bool) {
	for i := range p.others { // by index, for this is asked for every ban
		if e := &p.others[i]; !e.Default() && p.blocks(*e, prefix, traffic) && more(e) {
			return *e, true
		}
	}
	return observed.Entry{}, false
}

// enforces says that, leaving aside the rule number `without`, an effective
// entry that is there for certain, and that this plan lets stand, blocks the
// traffic. A stale one that nothing was planned for stands till the next plan.
func (s *placer) enforces(prefix netip.Prefix, traffic observed.Shape, without int) bool {
	for _, h := range s.ours {
		if h.Number == without || s.doubtful(h.Number) || h.stale && s.rewritten(h.Number) {
			continue
		}
		if s.blocks(h.Entry, prefix, traffic) {
			return true
		}
	}
	_, ok := s.othersBlock(prefix, traffic)
	return ok
}

// opensGap says that the entry must not go yet, because a wanted ban would be
// enforced nowhere: only this entry blocks it here, `next` does not, and the
// host does not hold it. A protected address goes free all the same, and so
// does all in an ACL that is configured no longer.
func (s *placer) opensGap(h held, next netip.Prefix) bool {
	traffic, common := intersect(h.Shape, s.limits.Shape)
	if !common || h.reason == desired.Protected || s.retired() || s.allowGap {
		return false
	}
	for b := range s.want.claimed(h.Prefix, s.now) {
		if next.IsValid() && observed.Contains(next, b.Prefix) || !s.blocks(h.Entry, b.Prefix, traffic) {
			continue
		}
		if !s.onHost(b.Prefix) && !s.enforces(b.Prefix, traffic, h.Number) {
			return true
		}
	}
	return false
}

// intersect gives the traffic that both shapes match.
func intersect(a, b observed.Shape) (observed.Shape, bool) {
	switch {
	case !a.Overlaps(b):
		return observed.Shape{}, false
	case a.Contains(b):
		return b, true
	case b.Contains(a):
		return a, true
	}
	a.Ports = a.Ports.Intersect(b.Ports)
	return a, true
}
