package observed

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// matched is what a rule's conditions make of traffic: the part that it may be
// for, and what may be left for the rules behind it.
type matched struct {
	traffic traffic
	rest    traffic
	partial int // conditions that leave something out
	whole   traffic
}

// match weighs the conditions of a rule one after the other.
func (w *walk) match(options []option, tr traffic, native []condition) matched {
	m := matched{traffic: tr, whole: tr}
	for _, c := range native {
		m.weigh(c, tr)
	}
	for i, o := range options {
		misread := len(native) > 0 && (o.name == "-s" || o.name == "-d") // the end of a range, for one
		if !misread && !slices.Contains(passive, o.name) && target(options[:i]) == "" {
			m.weigh(w.condition(o, m.traffic), tr)
		}
	}
	return m
}

// passive are options that are no conditions.
var passive = []string{"-j", "-g", "-c", "--comment"}

// condition is what one condition says of traffic.
type condition struct {
	kind    kind
	sources Sources // only these match (only)
	ports   []Ports // only these match (onlyPorts)
	named   string  // only this protocol matches (onlyProtocol)
}

type kind int

const (
	matching     kind = iota // all of it matches
	never                    // none of it
	some                     // some of it, as its sender may choose
	unknown                  // not known
	only                     // exactly these sources
	among                    // some of these sources
	onlyPorts                // exactly these ports
	onlyProtocol             // exactly this protocol
)

// weigh takes one more condition into account. The rest is known only when a
// single condition leaves something out.
func (m *matched) weigh(c condition, tr traffic) {
	if c.kind == matching {
		return
	}
	left := tr
	switch c.kind {
	case never:
		m.traffic = traffic{}
	case unknown:
		m.traffic.doubt = true
	case only, among:
		m.traffic.sources = m.traffic.sources.and(c.sources)
		if c.kind == only {
			left.sources = tr.sources.minus(c.sources)
		}
	case onlyPorts:
		m.traffic.ports = within(m.traffic.ports, c.ports)
		if left.ports = within(tr.ports, otherPorts(c.ports)); len(left.ports) == 0 {
			left = traffic{}
		}
		if len(m.traffic.ports) == 0 {
			m.traffic = traffic{}
		}
	case onlyProtocol:
		m.traffic.protocol = c.named
	}
	if left.none() {
		return
	}
	if m.partial++; m.partial == 1 {
		m.rest = left
	} else {
		m.rest = tr
	}
}

// condition reads one option. What is not listed is not known, and thus may
// match: an extension that this program never heard of included.
func (w *walk) condition(o option, tr traffic) condition {
	value := strings.Join(o.args, " ")
	switch o.name {
	case "-m":
		return module(value)
	case "-p":
		return protocol(value, o.not, tr.protocol)
	case "--dport", "--destination-port", "--dports", "--destination-ports":
		return portsOf(value, o.not)
	case "--sport", "--source-port", "--sports", "--source-ports", "--ports":
		return condition{kind: some} // whoever sends it chooses its source port
	case "-s", "--src-range":
		return w.fromText(value, o.not)
	case "--match-set":
		return w.set(o)
	case "-i":
		return inbound(value, o.not)
	case "-o":
		return condition{kind: some}
	case "-d":
		return destination(value, o.not)
	case "-f":
		return yes(o.not) // a later fragment opens nothing by itself
	case "--ctstate", "--state":
		return states(strings.Split(value, ","), o.not)
	case "--ctdir":
		return yes((value == "ORIGINAL") != o.not)
	case "--tcp-flags":
		return yes(synMatches(o.args) != o.not)
	case "--dst-type":
		return kindOfDestination(value, o.not)
	case "--src-type":
		return yesOr(value == "LOCAL" && !o.not, never)
	}
	return condition{kind: unknown}
}

func yes(all bool) condition {
	if all {
		return condition{kind: matching}
	}
	return condition{kind: never}
}

func yesOr(is bool, k kind) condition {
	if is {
		return condition{kind: k}
	}
	return condition{kind: unknown}
}

// plainModules are matches that ask nothing by themselves: their options,
// which follow, do. Some others (socket, for one) need no option.
var plainModules = []string{
	"tcp", "udp", "sctp", "dccp", "udplite", "icmp", "icmp6", "multiport", "conntrack", "state", "comment", "addrtype", "set", "iprange",
}

func module(name string) condition {
	if slices.Contains(plainModules, name) {
		return condition{kind: matching}
	}
	return condition{kind: unknown}
}

// withoutService are the protocols that open no service.
var withoutService = []string{"icmp", "ipv6-icmp", "icmpv6", "igmp", "1", "58", "2"}

func protocol(name string, not bool, wanted string) condition {
	switch {
	case name == "all" || name == "0":
		return yes(!not)
	case not && wanted == "":
		return condition{kind: some}
	case wanted != "":
		return yes((wanted == name) != not)
	case slices.Contains(withoutService, name):
		return condition{kind: never}
	default:
		return condition{kind: onlyProtocol, named: name}
	}
}

func portsOf(list string, not bool) condition {
	ranges, ok := parsePorts(list)
	if !ok {
		return condition{kind: unknown}
	}
	if not {
		ranges = otherPorts(ranges)
	}
	return condition{kind: onlyPorts, ports: ranges}
}

// fromText reads a prefix, or "low-high".
func (w *walk) fromText(text string, not bool) condition {
	r, ok := addrRange{}, false
	if low, high, isRange := strings.Cut(text, "-"); isRange {
		from, err1 := netip.ParseAddr(low)
		to, err2 := netip.ParseAddr(high)
		r, ok = addrRange{from, to}, err1 == nil && err2 == nil
	} else if p, valid := parsePrefix(text); valid {
		r, ok = addrRange{p.Addr(), lastOf(p)}, true
	}
	if !ok || FamilyOf(netip.PrefixFrom(r.from, 0)) != w.family || r.to.Less(r.from) {
		return condition{kind: unknown} // a mask with holes, for one
	}
	return w.only(Sources{r}, not)
}

func (w *walk) only(from Sources, not bool) condition {
	if not {
		from = from.minusAll(w.family)
	}
	return condition{kind: only, sources: from}
}

// set asks a set of which the sources are members.
func (w *walk) set(o option) condition {
	if len(o.args) != 2 || o.args[1] != "src" || w.ask == nil {
		return condition{kind: unknown}
	}
	from, exact, known := w.ask(o.args[0])
	switch {
	case !known || !exact && o.not:
		return condition{kind: unknown}
	case !exact:
		return condition{kind: among, sources: from}
	default:
		return w.only(from, o.not)
	}
}

func inbound(name string, not bool) condition {
	if name == "lo" {
		return yes(not) // nobody else's packets come from there
	}
	return condition{kind: some}
}

// destination leaves out what cannot be this host, nor one behind it.
func destination(text string, not bool) condition {
	prefix, ok := parsePrefix(text)
	broadcast := netip.AddrFrom4([4]byte{255, 255, 255, 255})
	a := prefix.Addr()
	if ok && (a.IsMulticast() || a.IsLoopback() || a == broadcast) {
		return yes(not)
	}
	return condition{kind: some}
}

func kindOfDestination(value string, not bool) condition {
	if !not && (value == "BROADCAST" || value == "MULTICAST") {
		return condition{kind: never}
	}
	return condition{kind: some}
}

// states weighs the states of conntrack. New traffic may be DNAT as well, and
// untracked where somebody has turned tracking off.
func states(names []string, not bool) condition {
	known := !slices.ContainsFunc(names, func(s string) bool { return !slices.Contains([]string{"ESTABLISHED", "RELATED", "INVALID"}, s) })
	switch isNew := slices.Contains(names, "NEW"); {
	case isNew || known:
		return yes(isNew != not)
	default:
		return condition{kind: unknown}
	}
}

// parsePorts reads "22", "80:90" and, of multiport, "22,80:90".
func parsePorts(list string) ([]Ports, bool) {
	var ranges []Ports
	for part := range strings.SplitSeq(list, ",") {
		low, high, isRange := strings.Cut(part, ":")
		if !isRange {
			high = low
		}
		from, err1 := strconv.ParseUint(low, 10, 16)
		to, err2 := strconv.ParseUint(high, 10, 16)
		if err1 != nil || err2 != nil || from > to {
			return nil, false
		}
		ranges = append(ranges, Ports{From: int(from), To: int(to)})
	}
	return ranges, true
}

// otherPorts gives every port that is in none of the ranges.
func otherPorts(ranges []Ports) []Ports {
	ranges = slices.SortedFunc(slices.Values(ranges), func(a, b Ports) int { return a.From - b.From })
	others := []Ports{}
	next := 0
	for _, r := range ranges {
		if next < r.From {
			others = append(others, Ports{From: next, To: r.From - 1})
		}
		next = max(next, r.To+1)
	}
	if next <= 65535 {
		others = append(others, Ports{From: next, To: 65535})
	}
	return others
}

// synMatches reports whether `--tcp-flags MASK FLAGS` takes the first packet
// of a connection, which has SYN set and nothing else.
func synMatches(args []string) bool {
	if len(args) != 2 {
		return false
	}
	masked := args[0] == "ALL" || slices.Contains(strings.Split(args[0], ","), "SYN")
	if masked {
		return args[1] == "SYN"
	}
	return args[1] == "NONE"
}
