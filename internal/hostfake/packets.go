package hostfake

import (
	"context"
	"net/netip"
	"strconv"
	"strings"
)

// Blocked says whether a new TCP connection from an address to a port of this
// machine is refused: it walks the chain INPUT as a packet does. It knows the
// conditions of our own rules and -p, --dport, -i lo and -s; a rule with any
// other condition does not match.
func (fw *Firewall) Blocked(source netip.Addr, port int) bool {
	return fw.BlockedAt("INPUT", source, port)
}

// BlockedAt is Blocked for another hook.
func (fw *Firewall) BlockedAt(hook string, source netip.Addr, port int) bool {
	fw.mu.Lock()
	defer fw.mu.Unlock()
	name := "iptables"
	if source.Is6() {
		name = "ip6tables"
	}
	p := packet{source: source, port: port}
	verdict := fw.walk(fw.tables[name], hook, p)
	if verdict == "" {
		verdict = fw.tables[name].policy[hook]
	}
	return verdict == "DROP" || verdict == "REJECT"
}

type packet struct {
	source netip.Addr
	port   int
}

func (fw *Firewall) walk(t *table, chain string, p packet) string {
	for _, spec := range t.chains[chain] {
		if !fw.matches(spec, p) {
			continue
		}
		switch to := word(spec, "-j"); to {
		case "ACCEPT", "DROP", "REJECT":
			return to
		case "RETURN":
			return ""
		default:
			if verdict := fw.walk(t, to, p); verdict != "" {
				return verdict
			}
		}
	}
	return ""
}

func (fw *Firewall) matches(spec string, p packet) bool {
	words := strings.Fields(spec)
	for i := 0; i+1 < len(words); i += 2 {
		option, value := words[i], words[i+1]
		ok := true
		switch option {
		case "-j", "-g":
			return true
		case "-m", "--comment":
		case "-p":
			ok = value == "tcp"
		case "--dport":
			ok = inPorts(value, p.port)
		case "-s":
			prefix, err := netip.ParsePrefix(value)
			ok = err == nil && prefix.Contains(p.source)
		case "--match-set":
			ok = fw.inSet(value, p.source)
			i++ // its second argument, src
		default:
			ok = false
		}
		if !ok {
			return false
		}
	}
	return true
}

func inPorts(value string, port int) bool {
	low, high, isRange := strings.Cut(value, ":")
	if !isRange {
		high = low
	}
	from, err1 := strconv.Atoi(low)
	to, err2 := strconv.Atoi(high)
	return err1 == nil && err2 == nil && from <= port && port <= to
}

// inSet looks an address up as hash:net does: the longest prefix decides, and
// one marked nomatch lets it through.
func (fw *Firewall) inSet(name string, source netip.Addr) bool {
	s := fw.sets[name]
	if s == nil {
		return false
	}
	for bits := source.BitLen(); bits > 0; bits-- {
		if e, there := s.entries[netip.PrefixFrom(source, bits).Masked()]; there && !e.over(fw.now()) {
			return !e.nomatch
		}
	}
	return false
}

// Somebody runs a program as somebody else on the machine would: it is not in
// the log of calls and meets no fault. It panics when the program refuses.
func (fw *Firewall) Somebody(stdin, program string, args ...string) {
	if _, err := fw.interpret(Call{Program: program, Args: args, Stdin: stdin}); err != nil {
		panic("hostfake: somebody's " + err.Error())
	}
}

// Flush empties both sets and deletes every rule of both tables, as
// `ipset flush` and `iptables -F` do.
func (fw *Firewall) Flush() {
	fw.mu.Lock()
	defer fw.mu.Unlock()
	for _, s := range fw.sets {
		clear(s.entries)
	}
	for _, t := range fw.tables {
		for chain := range t.chains {
			t.chains[chain] = nil
		}
	}
}

// Reset takes everything away, as a restart of the machine does.
func (fw *Firewall) Reset() {
	fw.mu.Lock()
	defer fw.mu.Unlock()
	fresh := New()
	fw.sets, fw.tables = fresh.sets, fresh.tables
}

// Dump is all that the firewall holds, for comparisons.
func (fw *Firewall) Dump() string {
	var all strings.Builder
	for _, program := range []string{"iptables-save", "ip6tables-save"} {
		out, err := fw.interpret(Call{Program: program, Args: []string{"-t", "filter"}})
		if err != nil {
			out = err.Error()
		}
		all.WriteString(out)
	}
	return all.String()
}

var _ interface {
	Run(context.Context, []byte, string, ...string) ([]byte, error)
} = (*Firewall)(nil)
