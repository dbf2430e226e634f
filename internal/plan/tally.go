package plan

import (
	"net/netip"
	"slices"

	"reconciler/internal/observed"
)

// Place says who blocks a ban at this moment.
type Place string

// The places. The edge is every Network ACL around this host: a ban that only
// some of them block is not at the edge.
const (
	Both    Place = "both" // the edge and the host
	Edge    Place = "edge"
	OnHost  Place = "host"
	Nowhere Place = "nowhere"
)

// Places lists all places.
var Places = []Place{Both, Edge, OnHost, Nowhere}

// JailPlace is a jail with a place.
type JailPlace struct {
	Jail  string
	Place Place
}

// Tally counts the active bans by place, and by jail and place. A ban of two
// jails counts in each of them.
func (at Whereabouts) Tally() (all map[Place]int, jails map[JailPlace]int) {
	all, jails = map[Place]int{}, map[JailPlace]int{}
	for _, b := range at.want.bans {
		if over(b, at.now) {
			continue
		}
		place := at.place(b.Prefix)
		all[place]++
		for _, jail := range b.Jails {
			jails[JailPlace{jail, place}]++
		}
	}
	return all, jails
}

func (at Whereabouts) place(p netip.Prefix) Place {
	switch edge, host := at.atEdge(p), at.host(p); {
	case edge && host:
		return Both
	case edge:
		return Edge
	case host:
		return OnHost
	}
	return Nowhere
}

func (at Whereabouts) atEdge(p netip.Prefix) bool {
	return len(at.edge) > 0 && !slices.ContainsFunc(at.edge, func(acl *aclPlanner) bool { return !acl.stops(p) })
}

// stops says that an effective deny covers the prefix, whoever made it.
func (p *aclPlanner) stops(prefix netip.Prefix) bool {
	for _, h := range p.ours {
		if observed.Contains(h.Prefix, prefix) && p.acl.Effective(h.Entry) {
			return true
		}
	}
	_, ok := p.foreignCover(prefix)
	return ok
}
