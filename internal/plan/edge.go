package plan

import (
	"time"

	"github.com/gaissmai/bart"

	"reconciler/internal/desired"
	"reconciler/internal/observed"
)

// edge knows which bans every ACL enforces at this moment.
type edge struct {
	acls []edgeACL
}

// edgeACL is one ACL at this moment.
type edgeACL struct {
	*aclPlanner
	stays *bart.Table[time.Time] // our entries that remain, with their bans' ends
}

// newEdge gives an edge that has nothing unless the mode is overflow, ACLs that
// could be read stand all around this host, and nobody else writes where we do.
func newEdge(want *Want, acls []observed.ACL, limits Limits, now time.Time) *edge {
	e := &edge{}
	if limits.HostMode != HostOverflow {
		return e
	}
	for _, a := range limits.around(acls) {
		p := judged(want, a, limits, now)
		if p.contested() {
			return &edge{}
		}
		e.acls = append(e.acls, newEdgeACL(p))
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
	for _, a := range e.acls {
		if !a.enforcesUntilEnd(b) {
			return false
		}
	}
	return true
}

// newEdgeACL indexes what remains of an ACL that was judged.
func newEdgeACL(p *aclPlanner) edgeACL {
	a := edgeACL{p, new(bart.Table[time.Time])}
	for i := range p.ours {
		h := &p.ours[i]
		if p.remains(h) {
			a.stays.Insert(h.Prefix, h.ban.Until)
		}
	}
	return a
}

// enforcesUntilEnd says that an entry of ours that remains blocks the ban and ends
// no earlier, so that nobody has to step in for it. What somebody else made may
// end at any moment.
func (a edgeACL) enforcesUntilEnd(b desired.Ban) bool {
	for _, end := range a.stays.Supernets(b.Prefix) {
		if !desired.EndsBefore(end, b.Until) {
			return true
		}
	}
	return false
}

// remains says that the entry is effective, to stay in its slot, and there for
// certain: a read has shown it since it was written.
func (p *aclPlanner) remains(h *held) bool {
	return h.wanted && !h.stale && p.limits.Window.Contains(h.Number) && !p.doubtful(h.Number) && !p.acl.Unshown[h.Number] &&
		h.Shape.Contains(p.limits.Shape)
}

// contested says that others write where our entries are, so that no entry of
// ours is sure to stay: what is in our window looks like ours and is not in our
// records, or it has changed without our doing.
func (p *aclPlanner) contested() bool {
	if p.acl.Contested {
		return true
	}
	for _, e := range p.acl.Entries {
		if !e.Allow && p.limits.Window.Contains(e.Number) && e.Shape == p.limits.Shape && !p.want.names(e.Prefix, p.limits.IPv6Prefix) {
			return true
		}
	}
	return false
}
