package plan

import (
	"net/netip"
	"slices"
	"time"

	"github.com/gaissmai/bart"

	"reconciler/internal/observed"
)

// ACLSummary is one family of one ACL in figures.
type ACLSummary struct {
	Enforced  int `json:"enforced"`  // entries of ours that block a wanted ban
	Capacity  int `json:"capacity"`  // how many bans it can hold at most
	Foreign   int `json:"foreign"`   // entries that somebody else made
	Unclaimed int `json:"unclaimed"` // our shape in our window, but not in our records
	Shadowed  int `json:"shadowed"`  // entries of ours that a lower-numbered allow overrules

	overruling observed.Entry // an allow that takes numbers of the window from all bans; zero: none
}

// HostSummary is the host in figures.
type HostSummary struct {
	Enforced int `json:"enforced"` // active bans that it blocks, by an entry or a wider one
}

// Summary is a state in figures.
type Summary struct {
	Active int                                       `json:"active"`
	NACL   map[string]map[observed.Family]ACLSummary `json:"nacl"`
	Host   HostSummary                               `json:"host"`
}

// Summarise counts what a state enforces of what is wanted.
func Summarise(w *Want, have observed.State, limits Limits, now time.Time) Summary {
	s := Summary{NACL: map[string]map[observed.Family]ACLSummary{}}
	onHost := hostBlocks(have.Host, limits, now)
	for i := range w.bans {
		b := &w.bans[i]
		if over(*b, now) {
			continue
		}
		s.Active++
		if onHost(b.Prefix) {
			s.Host.Enforced++
		}
	}
	for _, acl := range have.ACLs {
		s.NACL[acl.ID] = summariseACL(judged(w, acl, limits, now))
	}
	return s
}

// hostBlocks is hostHolds for bans that are asked for in their order: one walk
// along both sorted lists, and a look at the wide entries, which are few.
func hostBlocks(host *observed.Host, limits Limits, now time.Time) func(netip.Prefix) bool {
	if !holdsAnything(host, limits) {
		return func(netip.Prefix) bool { return false }
	}
	var wide bart.Lite
	for _, e := range host.Entries {
		if !e.Prefix.IsSingleIP() && lives(e, now) {
			wide.Insert(e.Prefix)
		}
	}
	entries, open := host.Entries, openings(host)
	return func(p netip.Prefix) bool {
		for len(entries) > 0 && observed.Compare(entries[0].Prefix, p) < 0 {
			entries = entries[1:]
		}
		exact := len(entries) > 0 && entries[0].Prefix == p && lives(entries[0], now)
		return (exact || wide.LookupPrefix(p)) && !open(p)
	}
}

func summariseACL(p *aclPlanner) map[observed.Family]ACLSummary {
	out := map[observed.Family]ACLSummary{}
	for _, f := range observed.Families {
		s := p.countFamily(f)
		s.Capacity, s.overruling = p.capacity(f)
		out[f] = s
	}
	return out
}

func (p *aclPlanner) countFamily(f observed.Family) ACLSummary {
	var s ACLSummary
	records := p.records()
	for _, e := range p.others {
		if observed.FamilyOf(e.Prefix) != f || e.Default() {
			continue
		}
		if observed.OwnerOf(e, records) == observed.Unclaimed {
			s.Unclaimed++
		} else {
			s.Foreign++
		}
	}
	for _, h := range p.ours {
		if observed.FamilyOf(h.Prefix) != f {
			continue
		}
		if h.wanted && !h.stale && p.limits.guards(p.acl) {
			s.Enforced++
		}
		if !p.acl.Effective(h.Entry) {
			s.Shadowed++
		}
	}
	return s
}

// capacity is the quota less every entry of the family that is not ours (the
// default deny included), and no more than the window has numbers that are
// free or ours and below every allow that would overrule all bans. Where such
// an allow costs slots, it is given too.
func (p *aclPlanner) capacity(f observed.Family) (n int, overruling observed.Entry) {
	room := p.limits.quota(p.acl.ID, f)
	taken := map[int]bool{}
	for _, e := range p.others {
		taken[e.Number] = true
		if observed.FamilyOf(e.Prefix) == f {
			room--
		}
	}
	for _, h := range p.ours {
		if observed.FamilyOf(h.Prefix) != f {
			taken[h.Number] = true
		}
	}
	room = max(0, room)
	allow, found := p.allowsAll(f)
	below, above := 0, 0
	for i := p.limits.Window.First; i <= p.limits.Window.Last; i++ {
		switch {
		case taken[i]:
		case !found || i < allow.Number:
			below++
		default:
			above++
		}
	}
	if below < room && above > 0 {
		overruling = allow
	}
	return min(room, below), overruling
}

// allowsAll gives the lowest-numbered allow for any address: a deny behind it
// is overruled.
func (p *aclPlanner) allowsAll(f observed.Family) (observed.Entry, bool) {
	for _, e := range p.acl.Entries {
		if e.Allow && observed.FamilyOf(e.Prefix) == f && e.Prefix.Bits() == 0 && e.Shape.Overlaps(p.limits.Shape) {
			return e, true
		}
	}
	return observed.Entry{}, false
}

// Owners says whose each entry of an ACL is, in their order.
func Owners(w *Want, acl observed.ACL, limits Limits) []observed.Owner {
	records := (&aclPlanner{acl: acl, want: w, limits: limits}).records()
	out := make([]observed.Owner, 0, len(acl.Entries))
	for _, e := range acl.Entries {
		out = append(out, observed.OwnerOf(e, records))
	}
	return out
}

// HoldsOurs says that an entry of ours is in the ACL.
func HoldsOurs(w *Want, acl observed.ACL, limits Limits) bool {
	return slices.Contains(Owners(w, acl, limits), observed.Ours)
}
