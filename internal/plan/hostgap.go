package plan

import (
	"iter"
	"net/netip"
	"slices"
	"sort"
	"time"

	"reconciler/internal/observed"
)

// opensGap says that a ban inside the entry is to be enforced by another entry
// that is not there yet. A removal must not rest on an add that may fail.
func (p *hostPlanner) opensGap(e observed.HostEntry) bool {
	for claim := range p.want.claimed(e.Prefix, p.now) {
		planned, there := false, false
		for wider := range supernets(claim.Prefix) {
			if p.planned(wider) {
				e, holds := observed.FindEntry(p.host.Entries, wider)
				planned, there = true, there || holds && lives(e, p.now)
			}
		}
		if planned && !there {
			return true
		}
	}
	return false
}

// planned says that the host is to hold exactly this prefix.
func (p *hostPlanner) planned(prefix netip.Prefix) bool {
	_, ok := sort.Find(len(p.bans), func(i int) int { return observed.Compare(prefix, p.bans[i].Prefix) })
	return ok
}

// hostHolds gives a lookup of what the host enforces at this moment.
func hostHolds(host *observed.Host, limits Limits, now time.Time) func(netip.Prefix) bool {
	return hostKeeps(host, limits, now, func(netip.Prefix) bool { return true })
}

// hostKeeps is the same for the entries of which keep says that they stay. The
// host and the ACLs are changed side by side, so no ACL may rest on an entry
// that the host is about to drop.
func hostKeeps(host *observed.Host, limits Limits, now time.Time, keep func(netip.Prefix) bool) func(netip.Prefix) bool {
	if !holdsAnything(host, limits) {
		return func(netip.Prefix) bool { return false }
	}
	open := openings(host)
	return func(p netip.Prefix) bool {
		if open(p) {
			return false
		}
		for wider := range supernets(p) {
			if e, ok := observed.FindEntry(host.Entries, wider); ok && lives(e, now) && keep(wider) {
				return true
			}
		}
		return false
	}
}

// holdsAnything says that chain, set and jumps are such that entries count.
func holdsAnything(host *observed.Host, limits Limits) bool {
	anywhere := func(o observed.Opening) bool { return o.Sources == nil }
	return host != nil && !limits.NoHost && !host.Unhooked && len(host.Defects) == 0 && !slices.ContainsFunc(host.Overruled, anywhere)
}

// openings gives a lookup of the prefixes of which some traffic gets past our rule.
func openings(host *observed.Host) func(netip.Prefix) bool {
	all := make([]observed.Sources, 0, len(host.Overruled))
	for _, o := range host.Overruled {
		all = append(all, o.Sources)
	}
	return observed.Union(all...).Overlaps
}

// lives says that the entry's time has not passed.
func lives(e observed.HostEntry, now time.Time) bool { return e.Until.IsZero() || now.Before(e.Until) }

// supernets gives the prefix itself and every wider one around it.
func supernets(p netip.Prefix) iter.Seq[netip.Prefix] {
	return func(yield func(netip.Prefix) bool) {
		for bits := p.Bits(); bits >= 0; bits-- {
			if !yield(netip.PrefixFrom(p.Addr(), bits).Masked()) {
				return
			}
		}
	}
}
