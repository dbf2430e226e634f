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

// MaxTimeout is the longest timeout of an ipset entry, 2147483 s or 24.8 days
// (the kernel keeps it in milliseconds in 32 bits: ipset(8), "timeout").
const MaxTimeout = 2147483 * time.Second

const (
	// endTolerance is how far apart two ends may be and count as equal: the
	// kernel tells what is left in whole seconds.
	endTolerance = 2 * time.Second
	// longRefresh is how soon a clamped timeout is renewed.
	longRefresh = 24 * time.Hour
	// pinEvery is how often a jump may be moved to the top of its hook, so that
	// two tools that both want the first place do not fight.
	pinEvery = 10 * time.Minute
)

// ForHost gives the changes that this machine's firewall needs: repairs, then
// adds, refreshes and removals, and the removals that have no reason. acls are
// the pictures of the ACLs, which matter in overflow mode alone.
func ForHost(want *Want, host observed.Host, acls []observed.ACL, limits Limits, now time.Time) (changes, withheld []Change) {
	if want.set.Paused {
		if !host.Present {
			return nil, nil
		}
		return []Change{{Target: HostTarget, Action: Remove, Reason: desired.Paused, Why: "paused: chain, set and jumps are taken away"}}, nil
	}
	if host.Unhooked && (!host.Present || len(host.Defects) > 0) {
		return nil, nil // there is no place to put anything, and what is in force stays
	}
	p := &hostPlanner{want: want, host: host, limits: limits, now: now, edge: newEdge(want, acls, limits, now)}
	changes = p.structure()
	p.bans = p.wanted()
	p.diff(p.bans, host.Entries)
	changes = slices.Concat(changes, p.adds, p.refreshes, p.removes)
	want.markUnnamed(p.withheld, len(host.Entries))
	return changes, p.withheld
}

type hostPlanner struct {
	want   *Want
	host   observed.Host
	limits Limits
	now    time.Time
	edge   *edge
	bans   []*desired.Ban // what the host is to hold, sorted by prefix

	adds, refreshes, removes, withheld []Change
}

// structure repairs what is missing or wrong in chain, set and jumps.
func (p *hostPlanner) structure() []Change {
	host := p.host
	var changes []Change
	if len(host.Defects) > 0 {
		c := Change{Target: HostTarget, Action: Repair, Why: strings.Join(host.Defects, "; "), First: !host.Present}
		if c.First {
			c.Why = "first use: chain, sets and jumps are made"
		}
		changes = append(changes, c)
	}
	if !p.limits.HookPin || p.now.Sub(host.PinnedAt) < pinEvery {
		return changes
	}
	var words []string
	for _, o := range host.Overruled {
		if movable(o) && letsPast(p.want, o, p.now) {
			words = append(words, o.Why)
		}
	}
	if len(words) > 0 {
		changes = append(changes, Change{Target: HostTarget, Action: Pin, Why: strings.Join(words, "; ")})
	}
	return changes
}

// letsPast says that an opening matters: it is for everybody, or a ban that is
// wanted lies in it.
func letsPast(w *Want, o observed.Opening, now time.Time) bool {
	if o.Any() {
		return true
	}
	return slices.ContainsFunc(w.bans, func(b desired.Ban) bool { return o.Sources.Overlaps(b.Prefix) && !over(b, now) })
}

// wanted gives what the host is to hold, sorted by prefix.
func (p *hostPlanner) wanted() []*desired.Ban {
	bans := make([]*desired.Ban, 0, len(p.want.bans))
	for i := range p.want.bans {
		b := &p.want.bans[i]
		if over(*b, p.now) || p.edge.has(*b) || p.host.NoIPv6 && !b.Prefix.Addr().Is4() {
			continue
		}
		if wider, covered := p.want.cover(*b, p.now); covered && (!p.there(b.Prefix) || !p.want.incomplete() && p.holdsUntil(wider.Prefix, b.Until)) {
			continue
		}
		bans = append(bans, b)
	}
	if p.limits.HostCap <= 0 || len(bans) <= p.limits.HostCap {
		return bans
	}
	return p.foremost(bans)
}

// there says that the host has an entry of exactly this prefix.
func (p *hostPlanner) there(prefix netip.Prefix) bool {
	_, ok := observed.FindEntry(p.host.Entries, prefix)
	return ok
}

// holdsUntil says that the entry of a cover is on the host already, and lasts
// until the given end: what it covers may go then, and not a step sooner.
func (p *hostPlanner) holdsUntil(prefix netip.Prefix, end time.Time) bool {
	e, ok := observed.FindEntry(p.host.Entries, prefix)
	return ok && lives(e, p.now) && !desired.EndsBefore(e.Until.Add(endTolerance), clamp(end, p.now))
}

// foremost keeps what is there and still wanted, then fills up by rank: a
// capped back end must not thrash.
func (p *hostPlanner) foremost(bans []*desired.Ban) []*desired.Ban {
	slices.SortStableFunc(bans, func(a, b *desired.Ban) int {
		if there := p.there(a.Prefix); there != p.there(b.Prefix) {
			return boolFirst(there)
		}
		return rank(*a, *b)
	})
	bans = bans[:p.limits.HostCap]
	slices.SortFunc(bans, func(a, b *desired.Ban) int { return observed.Compare(a.Prefix, b.Prefix) })
	return bans
}

// diff walks both sorted lists side by side.
func (p *hostPlanner) diff(bans []*desired.Ban, entries []observed.HostEntry) {
	for len(bans) > 0 || len(entries) > 0 {
		switch order := compareHeads(bans, entries); {
		case order < 0:
			p.add(*bans[0])
			bans = bans[1:]
		case order > 0:
			p.remove(entries[0])
			entries = entries[1:]
		default:
			p.match(*bans[0], entries[0])
			bans, entries = bans[1:], entries[1:]
		}
	}
}

func compareHeads(bans []*desired.Ban, entries []observed.HostEntry) int {
	if len(bans) == 0 {
		return 1
	}
	if len(entries) == 0 {
		return -1
	}
	return observed.Compare(bans[0].Prefix, entries[0].Prefix)
}

func (p *hostPlanner) add(b desired.Ban) {
	why := "new ban"
	if _, lost := slices.BinarySearchFunc(p.host.Lost, b.Prefix, observed.Compare); lost {
		why = "drift: its entry was gone"
	}
	p.adds = append(p.adds, hostChange(Add, b, why))
}

func hostChange(action Action, b desired.Ban, why string) Change {
	return Change{Target: HostTarget, Action: action, Prefix: b.Prefix, Until: b.Until, Jails: b.Jails, Why: why}
}

// match refreshes an entry whose end is not right.
func (p *hostPlanner) match(b desired.Ban, e observed.HostEntry) {
	if lives(e, p.now) && p.rightEnd(e.Until, b.Until) {
		return
	}
	c := hostChange(Refresh, b, "prolonged")
	if desired.EndsBefore(b.Until, e.Until) {
		c.Why = "shortened"
		if p.want.incomplete() && lives(e, p.now) && !p.limits.lets(c) {
			c.Why = fmt.Sprintf("withheld: shortened, but %s may want it for longer, of which not all is known", p.want.set.Unknown[0])
			p.hold(e, c)
			return
		}
	}
	p.refreshes = append(p.refreshes, c)
}

// hold withholds a change. While a source is not known, an entry that may stand
// for a ban of more than the kernel counts is kept as long as the kernel can.
func (p *hostPlanner) hold(e observed.HostEntry, withheld Change) {
	p.withheld = append(p.withheld, withheld)
	left := e.Until.Sub(p.now)
	if p.want.incomplete() && !e.Until.IsZero() && left < MaxTimeout-longRefresh && left >= MaxTimeout-2*longRefresh {
		c := Change{Target: HostTarget, Action: Refresh, Prefix: e.Prefix, Until: p.now.Add(MaxTimeout), Why: "kept: " + p.want.set.Unknown[0] + " may want it"}
		p.refreshes = append(p.refreshes, c)
	}
}

// rightEnd says that an entry's end is that of its ban, as near as the kernel
// tells it, or clamped and fresh enough.
func (p *hostPlanner) rightEnd(end, until time.Time) bool {
	if end.IsZero() || until.IsZero() {
		return end.IsZero() && until.IsZero()
	}
	left := end.Sub(p.now)
	clamped := until.Sub(p.now) > MaxTimeout && left >= MaxTimeout-longRefresh && left <= MaxTimeout+endTolerance
	return clamped || until.Sub(end).Abs() <= endTolerance
}

// remove takes an entry away when there is a reason to.
func (p *hostPlanner) remove(e observed.HostEntry) {
	if !lives(e, p.now) && !p.host.Lingers {
		return // the kernel has dropped it
	}
	c := Change{Target: HostTarget, Action: Remove, Prefix: e.Prefix, Until: e.Until}
	reason, why, ok := p.reason(e)
	if !ok && !lives(e, p.now) { // restored from saved rules, for one: its own end says enough
		reason, why, ok = desired.Expired, string(desired.Expired), true
	}
	if !ok && p.limits.lets(c) {
		reason, why, ok = desired.Forced, "no record explains it; removal confirmed", true
	}
	if !ok {
		c.Why = "withheld: " + why
		p.hold(e, c)
		return
	}
	if reason != desired.Protected && p.opensGap(e) {
		return // it goes once what takes over is there
	}
	c.Reason, c.Why = reason, why
	p.removes = append(p.removes, c)
}

func (p *hostPlanner) reason(e observed.HostEntry) (desired.Reason, string, bool) {
	b, wanted := p.want.find(e.Prefix, p.now)
	if !wanted {
		return p.want.reason(e.Prefix, p.now)
	}
	if p.edge.has(b) {
		return desired.Moved, "moved: every ACL enforces it", true
	}
	if wider, ok := p.want.cover(b, p.now); ok {
		return desired.Covered, fmt.Sprintf("covered by %s", wider.Prefix), true
	}
	return desired.Config, fmt.Sprintf("the host's limit of %d entries", p.limits.HostCap), true
}
