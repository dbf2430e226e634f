package plan

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"reconciler/internal/desired"
	"reconciler/internal/observed"
)

// BanStatus is an active ban and where it is enforced.
type BanStatus struct {
	desired.Ban
	EnforcedBy []string // "acl-0123#4" is rule 4 of that ACL; "host" is this machine
}

// Whereabouts answers where prefixes are enforced in one state.
type Whereabouts struct {
	want *Want
	host func(netip.Prefix) bool
	acls []*aclPlanner
	edge []*aclPlanner // those that stand around this host
	now  time.Time
	idle string
	// blind: the host was not read, and may hold anything.
	blind bool
}

// Locate makes ready to answer where bans are enforced.
func Locate(w *Want, have observed.State, limits Limits, now time.Time) Whereabouts {
	at := Whereabouts{want: w, host: hostHolds(have.Host, limits, now), now: now, idle: limits.Idle, blind: have.Host == nil && !limits.NoHost}
	around := limits.around(have.ACLs)
	for _, acl := range have.ACLs {
		p := judged(w, acl, limits, now)
		at.acls = append(at.acls, p)
		if slices.ContainsFunc(around, func(a observed.ACL) bool { return a.ID == acl.ID }) {
			at.edge = append(at.edge, p)
		}
	}
	return at
}

// Bans gives every active ban and where it is enforced.
func (at Whereabouts) Bans() []BanStatus {
	out := make([]BanStatus, 0, len(at.want.bans))
	for _, b := range at.want.bans {
		if !over(b, at.now) {
			out = append(out, BanStatus{Ban: b, EnforcedBy: at.Of(b.Prefix)})
		}
	}
	return out
}

// Of gives every place that blocks the whole of a prefix now.
func (at Whereabouts) Of(p netip.Prefix) []string {
	places := []string{}
	for _, acl := range at.acls {
		if acl.retired() || !acl.limits.guards(acl.acl) { // nothing to this host
			continue
		}
		for _, h := range acl.ours {
			if observed.Contains(h.Prefix, p) && acl.acl.Effective(h.Entry) {
				places = append(places, fmt.Sprintf("%s#%d", acl.acl.ID, h.Number))
			}
		}
		if e, ok := acl.foreignCover(p); ok {
			places = append(places, fmt.Sprintf("%s#%d", acl.acl.ID, e.Number))
		}
	}
	if at.host(p) {
		places = append(places, HostTarget)
	}
	return places
}

// touching gives the active bans that overlap p.
func (at Whereabouts) touching(p netip.Prefix) []desired.Ban {
	var out []desired.Ban
	for _, b := range at.want.bans {
		if b.Prefix.Overlaps(p) && !over(b, at.now) {
			out = append(out, b)
		}
	}
	return out
}

func jailsText(jails []string) string {
	if len(jails) == 1 {
		return "jail " + plain(jails[0])
	}
	return "jails " + plain(strings.Join(jails, ", "))
}
