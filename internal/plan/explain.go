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

// Explain says in a few lines why a prefix is blocked or not: by whom, where,
// until when, and what would lift it.
func (at Whereabouts) Explain(p netip.Prefix, zone *time.Location) []string {
	var lines []string
	say := func(format string, args ...any) { lines = append(lines, fmt.Sprintf(format, args...)) }
	for _, b := range at.touching(p) {
		say("%s is banned by %s, %s.", b.Prefix, jailsText(b.Jails), EndText(b.Until, at.now, zone))
		if b.Prefix != p && observed.Contains(p, b.Prefix) {
			continue
		}
		say("It is lifted when that time is over, or by: reconciler unban %s", b.Prefix)
	}
	for _, a := range at.want.set.Allowed {
		if a.Prefix.Overlaps(p) {
			say("%s is allowed, %s: no ban of it is enforced. To end that: reconciler disallow %s", a.Prefix, EndText(a.Until, at.now, zone), a.Prefix)
		}
	}
	for _, r := range at.want.refused {
		if r.Prefix.Overlaps(p) {
			say("A ban of %s by %s is refused: it %s.", r.Prefix, jailsText(r.Jails), r.Why)
		}
	}
	if reason, ok := at.want.lifted(p); ok && len(at.touching(p)) == 0 {
		say("%s was banned; the ban was lifted: %s.", p, reason)
	}
	if at.want.set.Paused {
		say("Everything is paused: nothing is enforced until `reconciler resume`.")
	}
	if at.idle != "" {
		say("What is asked for is not carried out: %s.", at.idle)
	}
	places := at.Of(p)
	if len(places) > 0 {
		say("%s is blocked by %s.", p, strings.Join(places, ", "))
	} else {
		say("%s is not blocked as a whole anywhere.", p)
	}
	if !at.want.set.Paused {
		lines = append(lines, at.edges(p)...)
	}
	return lines
}

// edges says of each ACL what is particular: an entry of somebody else that
// blocks the prefix, or why a ban of it is not there.
func (at Whereabouts) edges(p netip.Prefix) []string {
	bans := slices.DeleteFunc(at.touching(p), func(b desired.Ban) bool { return !observed.Contains(b.Prefix, p) })
	var lines []string
	for _, acl := range at.acls {
		if acl.retired() {
			continue
		}
		if !acl.limits.guards(acl.acl) {
			lines = append(lines, acl.limits.idle(acl.acl)+": what it holds does not count.")
			continue
		}
		if e, ok := acl.foreignCover(p); ok {
			lines = append(lines, acl.strange(e))
			continue
		}
		if len(bans) > 0 && !slices.ContainsFunc(bans, newEdgeACL(acl).enforcesUntilEnd) {
			lines = append(lines, at.absence(acl, bans[len(bans)-1]))
		}
	}
	return lines
}

// strange says whose an entry is that blocks a prefix and is not ours.
func (p *aclPlanner) strange(e observed.Entry) string {
	if observed.OwnerOf(e, p.records()) == observed.Unclaimed {
		const words = "%s#%d looks like ours, but no record names it: "
		if p.limits.Shared[p.acl.ID] {
			return fmt.Sprintf(words+"another host that writes into this window must lift it.", p.acl.ID, e.Number)
		}
		return fmt.Sprintf(words+"`reconciler adopt %s` claims it, so that it ends; if a host that lives has made it, that one must lift it.", p.acl.ID, e.Number, p.acl.ID)
	}
	return fmt.Sprintf("%s#%d is somebody else's: whoever made it must lift it.", p.acl.ID, e.Number)
}

// absence says why an ACL does not hold a ban, and what would change that: what
// keeps all bans out comes first.
func (at Whereabouts) absence(p *aclPlanner, b desired.Ban) string {
	id := p.acl.ID
	for _, action := range []Action{Create, Delete} { // without a replace two calls do
		if why, denied := p.acl.Denied[string(action)]; denied {
			return fmt.Sprintf("%s does not hold it: %s.", id, why)
		}
	}
	if why, refused := p.acl.Refused[b.Prefix]; refused {
		return fmt.Sprintf("%s refuses it: %s.", id, why)
	}
	if b.Leaving {
		return fmt.Sprintf("%s is not given it any more: a flush is about to lift it, unless fail2ban stops or starts its jails in time, or announces it again after a start.", id)
	}
	return newPlacer(p, observed.FamilyOf(b.Prefix)).absence(b, at.idle)
}

// absence says why a ban has no slot. It promises nothing where all is idle.
func (s *placer) absence(b desired.Ban, idle string) string {
	id, window := s.acl.ID, s.limits.Window
	full, short := s.full(), s.limits.short(s.acl.ID, s.family)
	if full && short != "" {
		return short + "."
	}
	n, ok := s.lowestFree()
	if !ok && len(s.slots) == 0 {
		return fmt.Sprintf("%s has no free number in the window %d-%d.", id, window.First, window.Last)
	}
	if allow, shadowed := s.acl.Shadow(n, b.Prefix, s.limits.Shape); ok && shadowed {
		return fmt.Sprintf("%s cannot hold it: rule %d allows %s before every free number; give that rule a number above %d.", id, allow.Number, allow.Matches(), window.Last)
	}
	switch {
	case full && idle != "":
		return fmt.Sprintf("%s is full as well.", id)
	case idle != "":
		return fmt.Sprintf("%s does not hold it: %s.", id, idle)
	case full:
		return fmt.Sprintf("%s is full: who holds a slot keeps it until its ban ends; one that gets free goes to the waiting ban that ends last.", id)
	}
	return fmt.Sprintf("%s does not hold it yet; the daemon's next look at it will tell.", id)
}
