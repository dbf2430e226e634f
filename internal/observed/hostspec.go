package observed

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The back ends of the host's firewall, and what a ban does to a packet.
const (
	BackendIPSet    = "ipset"
	BackendIPTables = "iptables"

	BlockReject = "reject"
	BlockDrop   = "drop"
)

// Defaults of a HostSpec.
const (
	DefaultChain           = "f2b-reconciler"
	DefaultHook            = "INPUT"
	DefaultIPSetEntries    = 2097152
	DefaultIPTablesEntries = 500
)

// HostSpec says what of the host's firewall is ours and how it is to look.
type HostSpec struct {
	Backend    string   // BackendIPSet or BackendIPTables
	Chain      string   // our chain; the sets are named after it
	Hooks      []string // the chains from which ours is entered, at the top
	Block      string   // BlockReject or BlockDrop
	Shape      Shape    // what a ban blocks
	Variant    string   // which iptables: "" the system's choice, "nft" or "legacy"
	MaxEntries int      // ipset: of each set; iptables: of both families together
}

// WithDefaults gives the spec with everything filled in that was left out.
func (s HostSpec) WithDefaults() HostSpec {
	fill := func(field *string, value string) {
		if *field == "" {
			*field = value
		}
	}
	fill(&s.Backend, BackendIPSet)
	fill(&s.Chain, DefaultChain)
	fill(&s.Block, BlockReject)
	fill(&s.Shape.Protocol, ProtocolAll)
	if len(s.Hooks) == 0 {
		s.Hooks = []string{DefaultHook}
	}
	if s.MaxEntries == 0 {
		s.MaxEntries = DefaultIPSetEntries
		if s.Backend == BackendIPTables {
			s.MaxEntries = DefaultIPTablesEntries
		}
	}
	return s
}

// SetName is the name of the set of one family.
func (s HostSpec) SetName(f Family) string {
	if f == IPv6 {
		return s.Chain + "-v6"
	}
	return s.Chain + "-v4"
}

// TemporarySetName is the name of the set that stands in while the set of
// that family is rebuilt.
func (s HostSpec) TemporarySetName(f Family) string { return s.SetName(f) + "-t" }

// Program names a program of the iptables family: verb is "save" or "restore".
func (s HostSpec) Program(f Family, verb string) string {
	name := "iptables"
	if f == IPv6 {
		name = "ip6tables"
	}
	if s.Variant != "" {
		name += "-" + s.Variant
	}
	return name + "-" + verb
}

// CreateSet is the line of `ipset restore` that creates a set.
func (s HostSpec) CreateSet(f Family, name string) string {
	return fmt.Sprintf("create %s hash:net family %s maxelem %d timeout 0", name, setFamily(f), s.MaxEntries)
}

func setFamily(f Family) string {
	if f == IPv6 {
		return "inet6"
	}
	return "inet"
}

// Jump is the rule, without its chain, that enters ours.
func (s HostSpec) Jump() string { return "-j " + s.Chain }

// SetRules are the rules of our chain with the ipset back end, without their
// chain, in the words and the order of iptables-save.
func (s HostSpec) SetRules(f Family, set string) []string {
	return s.rules("", "-m set --match-set "+set+" src ", f)
}

// EntryRules are the rules of one ban with the iptables back end. Its end is
// kept in a comment, in whole Unix seconds rounded up, 0 for permanent, because
// a rule has no timeout of its own.
func (s HostSpec) EntryRules(e HostEntry) []string {
	return s.rules("-s "+e.Prefix.String()+" ", `-m comment --comment "`+untilMark+strconv.FormatInt(unixUp(e.Until), 10)+`" `, FamilyOf(e.Prefix))
}

// rules are one rule, or two where forwarded packets pass that may have had
// another port before a DNAT: this machine is asked for by the port that it
// sees, any other by the port that the connection was made to.
func (s HostSpec) rules(source, match string, f Family) []string {
	protocol, ports := s.matches()
	head := source + protocol + match
	if ports == "" || !s.forwarded() {
		return []string{head + ports + s.verdict(f)}
	}
	_, value, _ := strings.Cut(strings.TrimSpace(ports), "--dport ")
	return []string{
		head + ports + "-m addrtype --dst-type LOCAL " + s.verdict(f),
		head + "-m conntrack --ctorigdstport " + value + " --ctdir ORIGINAL " + s.verdict(f),
	}
}

// forwarded says that packets for others may come to our chain: only INPUT is
// known to have none.
func (s HostSpec) forwarded() bool {
	return slices.ContainsFunc(s.Hooks, func(hook string) bool { return hook != DefaultHook })
}

// untilMark stands before the end of a ban in a rule's comment.
const untilMark = "until="

func unixUp(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	if t.Nanosecond() > 0 {
		return t.Unix() + 1
	}
	return t.Unix()
}

// matches gives the protocol and the port match; each ends with a blank
// unless it is empty.
func (s HostSpec) matches() (protocol, ports string) {
	name := map[string]string{ProtocolTCP: "tcp", ProtocolUDP: "udp"}[s.Shape.Protocol]
	if name == "" {
		return "", ""
	}
	protocol = "-p " + name + " "
	switch p := s.Shape.Ports; {
	case p.All():
		return protocol, ""
	case p.From == p.To:
		return protocol, fmt.Sprintf("-m %s --dport %d ", name, p.From)
	default:
		return protocol, fmt.Sprintf("-m %s --dport %d:%d ", name, p.From, p.To)
	}
}

func (s HostSpec) verdict(f Family) string {
	switch {
	case s.Block == BlockDrop:
		return "-j DROP"
	case f == IPv6:
		return "-j REJECT --reject-with icmp6-port-unreachable"
	default:
		return "-j REJECT --reject-with icmp-port-unreachable"
	}
}
