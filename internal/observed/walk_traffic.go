package observed

import (
	"fmt"
	"slices"
)

// traffic is a part of our shape on its way through the chains: new
// connections. It may be taken for more than it is, never for less.
type traffic struct {
	sources  Sources // none: no traffic at all
	protocol string  // "tcp", "udp" and so on; "" any
	ports    []Ports // destination ports; nil: all
	doubt    bool    // something on the way is not known to let it go this way
	way      string  // in words, which rule sent it back
}

// newTraffic gives the traffic of a shape in a built-in chain. In FORWARD the
// destination port may have been rewritten: it can be any.
func newTraffic(f Family, s Shape, root string) traffic {
	tr := traffic{sources: everywhere(f)}
	switch s.Protocol {
	case ProtocolTCP:
		tr.protocol = "tcp"
	case ProtocolUDP:
		tr.protocol = "udp"
	}
	if !s.Ports.All() && root != "FORWARD" {
		tr.ports = []Ports{s.Ports}
	}
	return tr
}

func (tr traffic) none() bool { return len(tr.sources) == 0 }

func (tr traffic) key() string {
	return fmt.Sprintf("%s %v %t %s", tr.protocol, tr.ports, tr.doubt, tr.sources.key())
}

// by remembers which rule sent traffic back or away.
func (tr traffic) by(s step) traffic {
	if !tr.none() && tr.way == "" {
		tr.way = ", to which " + s.String() + " sends it,"
	}
	return tr
}

// or gives the least traffic that holds both.
func (tr traffic) or(other traffic) traffic {
	if tr.none() {
		return other
	}
	if other.none() {
		return tr
	}
	both := traffic{sources: Union(tr.sources, other.sources), doubt: tr.doubt && other.doubt, way: tr.way}
	if tr.protocol == other.protocol {
		both.protocol = tr.protocol
	}
	if tr.ports != nil && other.ports != nil {
		both.ports = slices.Concat(tr.ports, other.ports)
		slices.SortFunc(both.ports, func(a, b Ports) int { return a.From - b.From })
		both.ports = slices.Compact(both.ports)
	}
	if both.way == "" {
		both.way = other.way
	}
	return both
}

// within gives the ports that are in one of the ranges too.
func within(ports, ranges []Ports) []Ports {
	if ports == nil {
		ports = []Ports{{From: 0, To: 65535}}
	}
	both := []Ports{}
	for _, p := range ports {
		for _, q := range ranges {
			if r := (Ports{From: max(p.From, q.From), To: min(p.To, q.To)}); r.From <= r.To {
				both = append(both, r)
			}
		}
	}
	return both
}
