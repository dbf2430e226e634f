package plan

import (
	"maps"
	"net/netip"
	"slices"
	"time"

	"reconciler/internal/observed"
)

// ACLAfter gives the picture of an ACL once the changes have had their effect.
// The loop uses it for its own confirmed writes, a dry run to look ahead.
func ACLAfter(acl observed.ACL, changes []Change) observed.ACL {
	entries := slices.Clone(acl.Entries)
	doubts := maps.Clone(acl.Doubts)
	for _, c := range changes {
		delete(doubts, c.Rule)
		entries = slices.DeleteFunc(entries, func(e observed.Entry) bool { return e.Number == c.Rule })
		if c.Action == Delete {
			continue
		}
		e := observed.Entry{Number: c.Rule, Prefix: c.Prefix, Shape: c.Shape}
		i, _ := slices.BinarySearchFunc(entries, e, func(a, b observed.Entry) int { return a.Number - b.Number })
		entries = slices.Insert(entries, i, e)
	}
	acl.Entries, acl.Doubts = entries, doubts
	return acl
}

// HostAfter gives the picture of the host once the changes have had their effect.
func HostAfter(host observed.Host, changes []Change, now time.Time) observed.Host {
	set := map[netip.Prefix]observed.HostEntry{}
	gone := map[netip.Prefix]bool{}
	for _, c := range changes {
		switch c.Action {
		case Add, Refresh:
			set[c.Prefix] = observed.HostEntry{Prefix: c.Prefix, Until: clamp(c.Until, now)}
			delete(gone, c.Prefix)
		case Remove:
			if !c.Prefix.IsValid() {
				return observed.Host{ReadAt: host.ReadAt, PinnedAt: host.PinnedAt}
			}
			gone[c.Prefix] = true
			delete(set, c.Prefix)
		case Repair:
			host.Defects, host.Present = nil, true
		case Pin:
			host.Overruled, host.PinnedAt = slices.DeleteFunc(slices.Clone(host.Overruled), movable), now
		}
	}
	if len(set) == 0 && len(gone) == 0 {
		return host
	}
	added := slices.SortedFunc(maps.Values(set), func(a, b observed.HostEntry) int { return observed.Compare(a.Prefix, b.Prefix) })
	host.Entries = merge(host.Entries, added, gone)
	host.Present = true
	return host
}

// movable says that moving the jump to the top of its hook ends an opening.
func movable(o observed.Opening) bool { return !o.Fixed }

// merge joins two sorted lists; the second wins, and what is gone is left out.
func merge(old, added []observed.HostEntry, gone map[netip.Prefix]bool) []observed.HostEntry {
	out := make([]observed.HostEntry, 0, len(old)+len(added))
	for _, e := range old {
		for len(added) > 0 && observed.Compare(added[0].Prefix, e.Prefix) < 0 {
			out, added = append(out, added[0]), added[1:]
		}
		if len(added) > 0 && added[0].Prefix == e.Prefix {
			out, added = append(out, added[0]), added[1:]
			continue
		}
		if !gone[e.Prefix] {
			out = append(out, e)
		}
	}
	return append(out, added...)
}

// clamp gives the end that a kernel entry gets: no later than MaxTimeout from now.
func clamp(until, now time.Time) time.Time {
	if !until.IsZero() && until.Sub(now) > MaxTimeout {
		return now.Add(MaxTimeout)
	}
	return until
}
