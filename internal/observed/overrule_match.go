package observed

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// matched is what a rule's conditions leave of the traffic.
type matched struct {
	traffic traffic
	some    bool // the rule is for some of it
	all     bool // the rule is for all of it, beyond doubt
}

var nothing = matched{}

// match weighs the conditions of a rule one after the other.
func (s *scan) match(options []option, tr traffic) matched {
	m := matched{traffic: tr, some: true, all: true}
	for i, o := range options {
		m = s.condition(m, o, options[:i])
		if !m.some {
			return nothing
		}
	}
	return m
}

// passive are options that are no conditions.
var passive = []string{"-j", "-g", "-c", "--comment"}

// plainModules are matches that ask nothing by themselves: their options,
// which follow, do. Some others (socket, for one) narrow without an option.
var plainModules = []string{"tcp", "udp", "sctp", "dccp", "udplite", "multiport", "conntrack", "state", "comment", "addrtype"}

func (s *scan) condition(m matched, o option, before []option) matched {
	if slices.Contains(passive, o.name) || afterTarget(before) {
		return m
	}
	value := strings.Join(o.args, " ")
	switch o.name {
	case "-m":
		m.some = slices.Contains(plainModules, value)
	case "-p":
		return m.protocol(value, o.not)
	case "--dport", "--destination-port", "--dports", "--destination-ports":
		return m.ports(value, o.not)
	case "-i", "-o":
		m.all = false
		m.some = o.not || value != "lo"
	case "-s":
		m.all = false
		m.some = o.not || strings.HasSuffix(value, "/0")
	case "-d":
		m.all = false
		m.some = o.not || reachesHost(value)
	case "--ctstate", "--state":
		m.some = slices.Contains(strings.Split(value, ","), "NEW") != o.not
	case "--tcp-flags":
		m.some = synMatches(o.args) != o.not
	case "--dst-type":
		m.some = (value == "LOCAL") != o.not
		m.all = false
	default:
		return nothing
	}
	return m
}

// afterTarget says that an option belongs to the target, which comes last.
func afterTarget(before []option) bool { return target(before) != "" }

// withPorts are the protocols that carry services.
var withPorts = []string{"tcp", "udp", "sctp", "dccp", "udplite"}

func (m matched) protocol(name string, not bool) matched {
	wanted := m.traffic.protocol
	switch {
	case name == "all" || name == "0":
		m.some = !not
	case not:
		m.some = wanted != name
		m.all = m.all && wanted != ""
	case wanted == "":
		m.traffic.protocol = name
		m.some = slices.Contains(withPorts, name)
		m.all = false
	default:
		m.some = wanted == name
	}
	return m
}

func (m matched) ports(list string, not bool) matched {
	ranges, ok := parsePorts(list)
	if !ok {
		return nothing
	}
	if not {
		ranges = otherPorts(ranges)
	}
	var all bool
	m.traffic, all = m.traffic.within(ranges)
	m.all = m.all && all
	m.some = len(m.traffic.ports) > 0
	return m
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
	slices.SortFunc(ranges, func(a, b Ports) int { return a.From - b.From })
	var others []Ports
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

// reachesHost says that a destination may be this host, or one behind it.
func reachesHost(text string) bool {
	prefix, ok := parsePrefix(text)
	broadcast := netip.AddrFrom4([4]byte{255, 255, 255, 255})
	a := prefix.Addr()
	return ok && !a.IsMulticast() && !a.IsLoopback() && a != broadcast
}

// synMatches says that `--tcp-flags MASK FLAGS` takes the first packet of a
// connection, which has SYN set and nothing else.
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
