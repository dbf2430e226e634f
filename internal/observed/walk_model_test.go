package observed

import (
	"fmt"
	"maps"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"reconciler/internal/testenv"
)

// sent is the first packet of a connection, with all that a rule may ask of it.
type sent struct {
	from         string
	protocol     string
	dport, sport int
	in, to       string
	odd          bool // as whatever the walk does not know has it
	member       bool // of a set of which the walk knows that others are in it too
}

// asks is what the conditions mean, told once more and by other means: by the
// text, for a single packet.
var asks = map[string]func(sent) bool{
	"-s 203.0.0.0/8":                                  func(p sent) bool { return strings.HasPrefix(p.from, "203.") },
	"! -s 203.0.0.0/8":                                func(p sent) bool { return !strings.HasPrefix(p.from, "203.") },
	"-s 203.0.113.7/32":                               func(p sent) bool { return p.from == "203.0.113.7" },
	"! -s 203.0.113.7/32":                             func(p sent) bool { return p.from != "203.0.113.7" },
	"-s 198.51.0.0/255.255.0.255":                     func(p sent) bool { return p.odd && strings.HasPrefix(p.from, "198.51.") },
	"-m set --match-set friends src":                  func(p sent) bool { return strings.HasPrefix(p.from, "198.51.") },
	"-m set ! --match-set friends src":                func(p sent) bool { return !strings.HasPrefix(p.from, "198.51.") },
	"-m set --match-set holes src":                    func(p sent) bool { return p.member && strings.HasPrefix(p.from, "203.") },
	"-m set ! --match-set holes src":                  func(p sent) bool { return !p.member || !strings.HasPrefix(p.from, "203.") },
	"-m set --match-set nobody src":                   func(p sent) bool { return p.odd },
	"-m set ! --match-set friends dst":                func(p sent) bool { return p.odd },
	"-p tcp":                                          func(p sent) bool { return p.protocol == "tcp" },
	"! -p tcp":                                        func(p sent) bool { return p.protocol != "tcp" },
	"-p udp":                                          func(p sent) bool { return p.protocol == "udp" },
	"-p icmp":                                         func(sent) bool { return false },
	"! -p icmp":                                       func(sent) bool { return true },
	"-p tcp -m tcp --dport 22":                        func(p sent) bool { return p.protocol == "tcp" && p.dport == 22 },
	"-p tcp -m tcp ! --dport 22":                      func(p sent) bool { return p.protocol == "tcp" && p.dport != 22 },
	"-p udp -m udp --dport 53":                        func(p sent) bool { return p.protocol == "udp" && p.dport == 53 },
	"-p tcp -m multiport --dports 80,22":              func(p sent) bool { return p.protocol == "tcp" && (p.dport == 80 || p.dport == 22) },
	"-p tcp -m tcp --sport 1024:65535":                func(p sent) bool { return p.protocol == "tcp" && p.sport >= 1024 },
	"-p tcp -m multiport --ports 22":                  func(p sent) bool { return p.protocol == "tcp" && (p.dport == 22 || p.sport == 22) },
	"-i lo":                                           func(sent) bool { return false },
	"! -i lo":                                         func(sent) bool { return true },
	"-i eth0":                                         func(p sent) bool { return p.in == "eth0" },
	"! -i eth0":                                       func(p sent) bool { return p.in != "eth0" },
	"-o docker0":                                      func(p sent) bool { return p.odd },
	"-d 10.0.0.5/32":                                  func(p sent) bool { return p.to == "10.0.0.5" },
	"! -d 10.0.0.5/32":                                func(p sent) bool { return p.to != "10.0.0.5" },
	"-d 224.0.0.0/4":                                  func(sent) bool { return false },
	"-m conntrack --ctstate NEW":                      func(sent) bool { return true },
	"-m conntrack ! --ctstate NEW":                    func(sent) bool { return false },
	"-m conntrack --ctstate RELATED,ESTABLISHED":      func(sent) bool { return false },
	"-m conntrack --ctstate ESTABLISHED,DNAT":         func(p sent) bool { return p.odd },
	"-m conntrack --ctstate INVALID":                  func(sent) bool { return false },
	"-p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN":   func(p sent) bool { return p.protocol == "tcp" },
	"-p tcp -m tcp ! --tcp-flags FIN,SYN,RST,ACK SYN": func(sent) bool { return false },
	"-f":                      func(sent) bool { return false },
	"! -f":                    func(sent) bool { return true },
	"-m limit --limit 3/min":  func(p sent) bool { return p.odd },
	"-m mark ! --mark 0x1":    func(p sent) bool { return !p.odd },
	"-m length --length 0:60": func(p sent) bool { return p.odd },
	"-m statistic --mode random --probability 0.5": func(p sent) bool { return !p.odd },
	"-m socket":                                        func(p sent) bool { return p.odd },
	"-m addrtype --dst-type LOCAL":                     func(p sent) bool { return p.odd },
	"-m addrtype --dst-type MULTICAST":                 func(sent) bool { return false },
	"-m neverheardof --this that":                      func(p sent) bool { return p.odd },
	`-m comment --comment "-s 10.0.0.0/8 -j DROP"`:     func(sent) bool { return true },
	"-m iprange --src-range 203.0.113.1-203.0.113.99":  func(p sent) bool { return strings.HasPrefix(p.from, "203.0.113.") },
	"-m iprange ! --src-range 203.0.113.1-203.0.113.9": func(p sent) bool { return p.from != "203.0.113.7" },
}

// modelSets are what the walk is told of the sets.
func modelSets(set string) (Sources, bool, bool) {
	switch set {
	case "friends":
		return sourcesOf(netip.MustParsePrefix("198.51.0.0/16")), true, true
	case "holes":
		return sourcesOf(netip.MustParsePrefix("203.0.0.0/8")), false, true
	}
	return nil, false, false
}

// addresses are where packets come from: all are banned.
var addresses = []string{"203.0.113.7", "203.0.113.70", "203.5.5.5", "198.51.100.9", "192.0.2.1"}

// modelRule is a rule that is not yet text.
type modelRule struct {
	conditions []string
	target     string
}

func (r modelRule) String() string {
	return strings.TrimSpace(strings.Join(append(slices.Clone(r.conditions), r.target), " "))
}

var jump = modelRule{target: "-j ours"}

func (r modelRule) isJump() bool { return len(r.conditions) == 0 && r.target == jump.target }

// ruleset is a filter table in which `ours` drops what is banned.
type ruleset struct {
	chains map[string][]modelRule
	policy map[string]string
	hook   string
}

// callees keeps the chains free of loops, as the kernel does.
var callees = map[string][]string{
	"INPUT": {"a", "b", "c"}, "FORWARD": {"DOCKER-USER", "a", "b"}, "DOCKER-USER": {"b", "c"}, "a": {"b", "c"}, "b": {"c"}, "c": nil,
}

// drawRules draws a ruleset of these conditions, no more than most a rule, with
// one jump from its hook to ours.
func drawRules(t *rapid.T, conditions []string, most int) ruleset {
	r := ruleset{chains: map[string][]modelRule{}, policy: map[string]string{}, hook: rapid.SampledFrom([]string{"INPUT", "INPUT", "FORWARD", "DOCKER-USER"}).Draw(t, "hook")}
	for _, name := range slices.Sorted(maps.Keys(callees)) {
		targets := []string{"-j ACCEPT", "-j ACCEPT", "-j DROP", "-j REJECT --reject-with icmp-port-unreachable", "-j RETURN", "-j LOG", ""}
		if most > 1 {
			targets = append(targets, "-j NFQUEUE --queue-num 0", "-j NFQUEUE --queue-num 0 --queue-bypass", "-j NEVERHEARDOF")
		}
		for _, to := range callees[name] {
			targets = append(targets, "-j "+to, "-g "+to)
		}
		rule := rapid.Custom(func(t *rapid.T) modelRule {
			return modelRule{rapid.SliceOfN(rapid.SampledFrom(conditions), 0, most).Draw(t, "conditions"), rapid.SampledFrom(targets).Draw(t, "target")}
		})
		r.chains[name] = rapid.SliceOfN(rule, 0, 4).Draw(t, name)
	}
	for _, root := range roots {
		r.policy[root] = rapid.SampledFrom([]string{"ACCEPT", "DROP"}).Draw(t, "policy")
	}
	at := rapid.IntRange(0, len(r.chains[r.hook])).Draw(t, "jump")
	r.chains[r.hook] = slices.Insert(r.chains[r.hook], at, jump)
	return r
}

func (r ruleset) String() string {
	lines := []string{"*filter"}
	for _, name := range slices.Sorted(maps.Keys(r.chains)) {
		lines = append(lines, fmt.Sprintf(":%s %s [0:0]", name, max(r.policy[name], "-")))
	}
	lines = append(lines, ":ours - [0:0]")
	for _, name := range slices.Sorted(maps.Keys(r.chains)) {
		for _, rule := range r.chains[name] {
			lines = append(lines, "-A "+name+" "+rule.String())
		}
	}
	return strings.Join(append(lines, "COMMIT"), "\n") + "\n"
}

// pinned is the ruleset with the jump at the top of its hook.
func (r ruleset) pinned() ruleset {
	r.chains = maps.Clone(r.chains)
	rules := slices.DeleteFunc(slices.Clone(r.chains[r.hook]), modelRule.isJump)
	r.chains[r.hook] = slices.Insert(rules, 0, jump)
	return r
}

// root is where packets that are to meet the hook come in.
func (r ruleset) root() string {
	if r.hook == "INPUT" {
		return "INPUT"
	}
	return "FORWARD"
}

// passes sends one packet through, as the kernel does.
func (r ruleset) passes(p sent) bool {
	verdict := r.through(r.root(), p)
	return verdict == "ACCEPT" || verdict == "" && r.policy[r.root()] == "ACCEPT"
}

// through gives a verdict, or none for a packet that comes back.
func (r ruleset) through(chain string, p sent) string {
	for _, rule := range r.chains[chain] {
		if slices.ContainsFunc(rule.conditions, func(c string) bool { return !asks[c](p) }) || rule.target == "" {
			continue
		}
		words := strings.Fields(rule.target)
		switch name := words[1]; name {
		case "LOG":
		case "RETURN":
			return ""
		case "ours", "DROP", "REJECT":
			return "DROP"
		case "ACCEPT", "NFQUEUE":
			return "ACCEPT" // a queue's reader may
		case "NEVERHEARDOF":
			if p.odd {
				return "ACCEPT"
			}
		default:
			if verdict := r.through(name, p); verdict != "" || words[0] == "-g" {
				return verdict
			}
		}
	}
	return ""
}

// packets are all that differ for some condition, of a shape and a root.
func packets(from string, s Shape, root string) []sent {
	var all []sent
	for _, protocol := range []string{"tcp", "udp", "esp"} {
		for _, dport := range []int{22, 53, 80, 443} {
			number := map[string]string{"tcp": ProtocolTCP, "udp": ProtocolUDP}[protocol]
			rewritten := root == "FORWARD" // by a DNAT
			if s.Protocol != ProtocolAll && s.Protocol != number || !s.Ports.All() && !rewritten && s.Ports.From != dport {
				continue
			}
			for i := range 32 {
				bit := func(n int) bool { return i>>n&1 == 1 }
				pick := func(n int, a, b string) string { return map[bool]string{false: a, true: b}[bit(n)] }
				sport := map[bool]int{false: 22, true: 40000}[bit(0)]
				all = append(all, sent{from, protocol, dport, sport, pick(1, "eth0", "eth1"), pick(2, "10.0.0.5", "10.0.0.6"), bit(3), bit(4)})
			}
		}
	}
	return all
}

var sentence = regexp.MustCompile(`^IPv4: (rule \d+ of [\w-]+ \(".*"\)|the policy of (INPUT|FORWARD)(, to which rule \d+ of [\w-]+ \(".*"\) sends it,)?) (lets|may let) new traffic( from [\d.]+ to [\d.]+| from \d+ ranges of addresses)? past before a jump to ours(; a higher place in the hook does not help: name the chain FORWARD as a hook)?$|^IPv4: nothing leads from INPUT or FORWARD to the hook DOCKER-USER, so no packet meets a ban there; name the chain FORWARD as a hook$`)

// Never is a ban said to be enforced of which some packet passes, nor that the
// top of the hook is a mend where it is not.
func TestNoPacketPassesABanThatCountsAsEnforced(t *testing.T) {
	testenv.Checks(t, "3000")
	conditions := slices.Sorted(maps.Keys(asks))
	rapid.Check(t, func(t *rapid.T) {
		r := drawRules(t, conditions, 3)
		spec := HostSpec{Chain: "ours", Hooks: []string{r.hook}, Shape: rapid.SampledFrom([]Shape{allTraffic, ssh, dns}).Draw(t, "shape")}
		found := ParseTable([]byte(r.String())).Openings(IPv4, spec, modelSets)
		lasting := slices.DeleteFunc(slices.Clone(found), func(o Opening) bool { return !o.Fixed })
		for _, o := range found {
			if !sentence.MatchString(o.Why) {
				t.Fatalf("this is no sentence: %s", o.Why)
			}
		}
		for _, from := range addresses {
			for _, p := range packets(from, spec.Shape, r.root()) {
				if r.passes(p) && !passes(found, from+"/32") {
					t.Fatalf("the packet %+v passes, and the ban counts as enforced; openings %v\n%s", p, found, r)
				}
				if r.pinned().passes(p) && !passes(lasting, from+"/32") {
					t.Fatalf("the packet %+v passes though the jump is at the top, which is said to be a mend; openings %v\n%s", p, found, r)
				}
			}
		}
	})
}

// Where every condition is of the source, or holds for all packets or none, the
// walk is as sure as a packet is.
func TestNoOpeningIsToldOfThatNoPacketTakes(t *testing.T) {
	plain := []string{
		"-s 203.0.0.0/8", "! -s 203.0.0.0/8", "-s 203.0.113.7/32", "! -s 203.0.113.7/32", "-m set --match-set friends src", "-m set ! --match-set friends src",
		"-p icmp", "-i lo", "! -i lo", "-f", "! -f", "-d 224.0.0.0/4", "-m conntrack --ctstate NEW", "-m conntrack --ctstate RELATED,ESTABLISHED",
		"-m iprange --src-range 203.0.113.1-203.0.113.99",
	}
	testenv.Checks(t, "1000")
	rapid.Check(t, func(t *rapid.T) {
		r := drawRules(t, plain, 1)
		spec := HostSpec{Chain: "ours", Hooks: []string{r.hook}, Shape: ssh}
		found := ParseTable([]byte(r.String())).Openings(IPv4, spec, modelSets)
		if r.hook == "DOCKER-USER" && len(found) == 1 && strings.Contains(found[0].Why, "nothing leads") {
			return // no packet comes, and none is blocked
		}
		for _, from := range addresses {
			if passes(found, from+"/32") != slices.ContainsFunc(packets(from, spec.Shape, r.root()), r.passes) {
				t.Fatalf("of the ban of %s it is said that it is let past: %v\n%s", from, found, r)
			}
		}
	})
}
