package plan

import (
	"time"

	"reconciler/internal/desired"
	"reconciler/internal/observed"
)

// edge knows which bans every ACL enforces at this moment.
type edge struct {
	want *Want
	acls []*aclPlanner
	now  time.Time
}

// newEdge gives an edge that has nothing unless the mode is overflow, there is
// an ACL, and all of them could be read.
func newEdge(want *Want, acls []observed.ACL, limits Limits, now time.Time) *edge {
	e := &edge{want: want, now: now}
	if limits.HostMode != HostOverflow || len(limits.ACLs) == 0 {
		return e
	}
	pictures := map[string]observed.ACL{}
	for _, a := range acls {
		pictures[a.ID] = a
	}
	for _, id := range limits.ACLs {
		a, ok := pictures[id]
		if !ok {
			return &edge{want: want, now: now}
		}
		e.acls = append(e.acls, judged(want, a, limits, now))
	}
	return e
}

// judged gives a planner that has looked at the entries but placed nothing.
func judged(want *Want, acl observed.ACL, limits Limits, now time.Time) *aclPlanner {
	p := &aclPlanner{acl: acl, want: want, limits: limits, now: now}
	p.classify()
	p.judge()
	return p
}

func (e *edge) has(b desired.Ban) bool {
	if len(e.acls) == 0 {
		return false
	}
	for _, p := range e.acls {
		if !p.enforcesUntilEnd(b) {
			return false
		}
	}
	return true
}

// enforcesUntilEnd says that an entry that remains blocks the ban and ends no
// earlier, so that nobody has to step in for it.
func (p *aclPlanner) enforcesUntilEnd(b desired.Ban) bool {
	for i := range p.ours {
		h := &p.ours[i]
		if observed.Contains(h.Prefix, b.Prefix) && !desired.EndsBefore(h.ban.Until, b.Until) && p.remains(h) {
			return true
		}
	}
	_, ok := p.foreignCover(b.Prefix)
	return ok
}

// remains says that the entry is effective, there for certain, and to stay in
// its slot.
func (p *aclPlanner) remains(h *held) bool {
	return h.wanted && !h.stale && p.limits.Window.Contains(h.Number) && !p.doubtful(h.Number) && h.Shape.Contains(p.limits.Shape)
}
