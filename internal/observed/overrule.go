package observed

import (
	"fmt"
	"slices"
)

// maxDepth bounds how deep jumps are followed. The kernel refuses loops, yet
// the text of a dump is foreign.
const maxDepth = 32

// Overrule tells in words which rule accepts traffic that a ban is to block
// before our jump is reached; "" when none does, or when there is no jump.
//
// A rule counts when it would accept a new connection, of our shape, from any
// address. So these do not: rules for the loopback interface, for a source or
// a source port, for a destination that is multicast or loopback, for
// protocols without ports (ICMP has no service to protect), for connections
// that are already known (conntrack, state), and rules with a match that we do
// not know (limit, set, mark, recent and the like): they narrow. These do:
// rules without conditions, for a port or a protocol that overlaps our shape,
// for an interface other than loopback, and for a unicast destination, which
// may be this host.
func (t Table) Overrule(f Family, hook string, spec HostSpec) string {
	at := t.Jumps(hook, spec.Chain)
	if len(at) == 0 {
		return ""
	}
	s := scan{table: t, own: spec.Chain, family: f, seen: map[string]bool{}}
	rules := t.Rules(hook)[:at[0]-1]
	found := s.rules(rules, traffic{}.narrow(spec.Shape), 0)
	if found.rule == nil {
		return ""
	}
	return fmt.Sprintf("%s: rule %d of %s (%q) lets new traffic past before the jump from %s to %s",
		label(f), found.position, found.rule.Chain, found.rule.Spec, hook, spec.Chain)
}

// scan walks through chains as a packet does.
type scan struct {
	table  Table
	own    string
	family Family
	seen   map[string]bool // chain and traffic that were walked without a find
}

// finding is the end of a walk: a rule that lets traffic past, or the
// knowledge that all of the traffic was dropped on the way.
type finding struct {
	rule     *Rule
	position int // from 1
	dropped  bool
}

func (s *scan) rules(rules []Rule, tr traffic, depth int) finding {
	for i := range rules {
		r := &rules[i]
		options := r.options()
		to := target(options)
		if to == "" || to == s.own {
			continue
		}
		m := s.match(options, tr)
		if !m.some {
			continue
		}
		switch to {
		case "ACCEPT":
			return finding{rule: r, position: i + 1}
		case "RETURN":
			if depth == 0 && s.leaves(r.Chain) {
				return finding{rule: r, position: i + 1}
			}
			if m.all {
				return finding{}
			}
		case "DROP", "REJECT":
			if m.all {
				return finding{dropped: true}
			}
		default:
			found := s.follow(to, m.traffic, depth)
			if found.rule != nil || found.dropped && m.all {
				return found
			}
		}
	}
	return finding{}
}

// leaves says that a RETURN from the hook itself passes our jump by: to the
// chain's caller, or to a policy that accepts.
func (s *scan) leaves(hook string) bool { return s.table.policy(hook) != "DROP" }

func (s *scan) follow(name string, tr traffic, depth int) finding {
	key := name + tr.key()
	if depth >= maxDepth || s.seen[key] {
		return finding{}
	}
	found := s.rules(s.table.Rules(name), tr, depth+1)
	if found == (finding{}) {
		s.seen[key] = true
	}
	return found
}

// traffic is what is left of our shape on a path through the chains: new
// connections from anywhere.
type traffic struct {
	protocol string  // "tcp", "udp" and so on; "" any
	ports    []Ports // destination ports; nil: all
}

func (tr traffic) key() string { return fmt.Sprintf(" %s %v", tr.protocol, tr.ports) }

// narrow gives the traffic of a shape.
func (tr traffic) narrow(s Shape) traffic {
	switch s.Protocol {
	case ProtocolTCP:
		tr.protocol = "tcp"
	case ProtocolUDP:
		tr.protocol = "udp"
	}
	if !s.Ports.All() {
		tr.ports = []Ports{s.Ports}
	}
	return tr
}

// within narrows the traffic to some ports; all says that none was left out.
func (tr traffic) within(ranges []Ports) (narrower traffic, all bool) {
	if len(tr.ports) == 0 {
		tr.ports = []Ports{{From: 0, To: 65535}}
	}
	var left []Ports
	for _, p := range tr.ports {
		for _, q := range ranges {
			if both := (Ports{From: max(p.From, q.From), To: min(p.To, q.To)}); both.From <= both.To {
				left = append(left, both)
			}
		}
	}
	all = !slices.ContainsFunc(tr.ports, func(p Ports) bool {
		return !slices.ContainsFunc(ranges, func(q Ports) bool { return q.From <= p.From && p.To <= q.To })
	})
	tr.ports = left
	return tr, all
}
