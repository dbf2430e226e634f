package observed

import (
	"net/netip"
	"slices"
	"sort"
)

// Sources is a set of source addresses of one family: ranges in their order,
// of which no two touch.
type Sources []addrRange

type addrRange struct{ from, to netip.Addr }

// everywhere gives all addresses of a family.
func everywhere(f Family) Sources {
	if f == IPv6 {
		return sourcesOf(netip.PrefixFrom(netip.IPv6Unspecified(), 0))
	}
	return sourcesOf(netip.PrefixFrom(netip.IPv4Unspecified(), 0))
}

func sourcesOf(prefixes ...netip.Prefix) Sources {
	ranges := make([]addrRange, 0, len(prefixes))
	for _, p := range prefixes {
		ranges = append(ranges, addrRange{p.Masked().Addr(), lastOf(p)})
	}
	return newSources(ranges)
}

// newSources sorts ranges and joins those that overlap or touch.
func newSources(ranges []addrRange) Sources {
	slices.SortFunc(ranges, func(a, b addrRange) int { return a.from.Compare(b.from) })
	var s Sources
	for _, r := range ranges {
		if last := len(s) - 1; last >= 0 && (r.from.Compare(s[last].to) <= 0 || s[last].to.Next() == r.from) {
			s[last].to = later(s[last].to, r.to)
			continue
		}
		s = append(s, r)
	}
	return s
}

func lastOf(p netip.Prefix) netip.Addr {
	bytes := p.Addr().AsSlice()
	for bit := p.Bits(); bit < len(bytes)*8; bit++ {
		bytes[bit/8] |= 0x80 >> (bit % 8)
	}
	last, _ := netip.AddrFromSlice(bytes)
	return last
}

func later(a, b netip.Addr) netip.Addr {
	if a.Less(b) {
		return b
	}
	return a
}

func earlier(a, b netip.Addr) netip.Addr {
	if b.Less(a) {
		return b
	}
	return a
}

// Overlaps reports whether some address of the prefix is in the set.
func (s Sources) Overlaps(p netip.Prefix) bool {
	i := s.search(p.Masked().Addr())
	return i < len(s) && s[i].from.BitLen() == p.Addr().BitLen() && s[i].from.Compare(lastOf(p)) <= 0
}

// search gives the first range that does not end before a.
func (s Sources) search(a netip.Addr) int {
	return sort.Search(len(s), func(i int) bool { return !s[i].to.Less(a) })
}

// Union returns what is in one of the sets, which may be of either family.
func Union(sets ...Sources) Sources { return newSources(slices.Concat(sets...)) }

func (s Sources) and(other Sources) Sources {
	var both Sources
	for _, r := range s {
		for i := other.search(r.from); i < len(other) && other[i].from.Compare(r.to) <= 0; i++ {
			both = append(both, addrRange{later(r.from, other[i].from), earlier(r.to, other[i].to)})
		}
	}
	return both
}

func (s Sources) minus(other Sources) Sources {
	var left Sources
	for _, r := range s {
		next, open := r.from, true
		for i := other.search(r.from); open && i < len(other) && other[i].from.Compare(r.to) <= 0; i++ {
			if next.Less(other[i].from) {
				left = append(left, addrRange{next, other[i].from.Prev()})
			}
			next = other[i].to.Next()
			open = next.IsValid() && next.Compare(r.to) <= 0
		}
		if open {
			left = append(left, addrRange{next, r.to})
		}
	}
	return left
}

func (s Sources) key() string {
	var b []byte
	for _, r := range s {
		b = append(append(b, r.from.AsSlice()...), r.to.AsSlice()...)
	}
	return string(b)
}
