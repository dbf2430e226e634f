package controller

import (
	"net/netip"
	"slices"
	"time"

	"reconciler/internal/ec2sim"
)

// blockedAtEdge says that a deny of all traffic covers the prefix and that no
// allow of any of its traffic has a lower number.
func blockedAtEdge(entries []ec2sim.Entry, p netip.Prefix) bool {
	for _, e := range entries { // inbound comes first, by number
		switch {
		case e.Egress || e.Default() || e.Prefix.Addr().Is6() != p.Addr().Is6():
		case e.Allow && e.Prefix.Overlaps(p):
			return false
		case !e.Allow && e.Protocol == "-1" && e.Prefix.Bits() <= p.Bits() && e.Prefix.Contains(p.Addr()):
			return true
		}
	}
	return false
}

// shadowed says that an allow overrules an entry.
func shadowed(entries []ec2sim.Entry, of ec2sim.Entry) bool {
	return slices.ContainsFunc(entries, func(e ec2sim.Entry) bool {
		return !e.Egress && e.Allow && e.Number < of.Number && e.Prefix.Overlaps(of.Prefix)
	})
}

// blockedByWider says that a wider ban, which ends no earlier, is wanted.
func blockedByWider(m *soakModel, p netip.Prefix, until time.Time) bool {
	for wide := range m.jails["manual"] {
		end, ok := m.until(wide, time.Now())
		if ok && wide.Bits() < p.Bits() && wide.Contains(p.Addr()) && !end.Before(until) {
			return true
		}
	}
	return false
}

// missing gives the inbound denies that were there before and are not now.
func missing(before, after []ec2sim.Entry) []ec2sim.Entry {
	return keep(before, func(e ec2sim.Entry) bool { return !e.Egress && !e.Allow && !slices.Contains(after, e) })
}

func keep(entries []ec2sim.Entry, which func(ec2sim.Entry) bool) []ec2sim.Entry {
	var out []ec2sim.Entry
	for _, e := range entries {
		if which(e) {
			out = append(out, e)
		}
	}
	return out
}

// asPrefix reads an address or a prefix.
func asPrefix(text string) netip.Prefix {
	if a, err := netip.ParseAddr(text); err == nil {
		return netip.PrefixFrom(a, a.BitLen())
	}
	return netip.MustParsePrefix(text)
}

// lastAddr gives the last address of a prefix.
func lastAddr(p netip.Prefix) netip.Addr {
	b := p.Addr().AsSlice()
	for bit := p.Bits(); bit < len(b)*8; bit++ {
		b[bit/8] |= 1 << (7 - bit%8)
	}
	a, _ := netip.AddrFromSlice(b)
	return a
}
