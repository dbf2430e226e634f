package hostfake

import (
	"context"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// Blocked says whether a new TCP connection from an address outside to a port
// of this machine is surely refused: it walks the chain INPUT as a packet does,
// both ways where a rule has a condition that it cannot judge, or a target that
// it does not know. It is never kinder than the kernel.
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
	end := fw.walk(fw.tables[name], hook, packet{source: source, port: port, local: hook == "INPUT"})
	return !end.accepted && (!end.returned || fw.tables[name].policy[hook] == "DROP")
}

type packet struct {
	source netip.Addr
	port   int
	local  bool // for this machine, not for one behind it
}

// ends are the ways in which a packet may leave a chain, other than a drop.
type ends struct{ accepted, returned bool }

// answer is what a condition says of a packet.
type answer int

const (
	yes answer = iota
	no
	perhaps
)

func (fw *Firewall) walk(t *table, chain string, p packet) (end ends) {
	for _, spec := range t.chains[chain] {
		match := fw.matches(spec, p)
		if match == no {
			continue
		}
		goes, on := fw.follow(t, spec, p)
		end.accepted = end.accepted || goes.accepted
		end.returned = end.returned || goes.returned
		if match == yes && !on {
			return end
		}
	}
	end.returned = true
	return end
}

// follow gives the ways out of the chain for a packet that a rule matches, and
// whether it may go on to the next rule instead.
func (fw *Firewall) follow(t *table, spec string, p packet) (end ends, on bool) {
	to, away := word(spec, "-j"), word(spec, "-g")
	switch to + away {
	case "", "LOG":
		return ends{}, true
	case "DROP", "REJECT":
		return ends{}, false
	case "ACCEPT":
		return ends{accepted: true}, false
	case "RETURN":
		return ends{returned: true}, false
	}
	if _, isChain := t.chains[to+away]; !isChain {
		return ends{accepted: true}, true
	}
	inner := fw.walk(t, to+away, p)
	if away != "" {
		return inner, false // whoever jumped to this chain goes on
	}
	return ends{accepted: inner.accepted}, inner.returned
}

func (fw *Firewall) matches(spec string, p packet) answer {
	words := wordsOf(spec)
	all := yes
	for i := 0; i < len(words); {
		not := words[i] == "!"
		if not {
			i++
		}
		if i == len(words) || words[i] == "-j" || words[i] == "-g" {
			break
		}
		next := i + 1
		for next < len(words) && words[next] != "!" && (!strings.HasPrefix(words[next], "-") || len(words[next]) == 1) {
			next++
		}
		switch fw.condition(words[i], words[i+1:next], not, p) {
		case no:
			return no
		case perhaps:
			all = perhaps
		}
		i = next
	}
	return all
}

// judged are the modules that ask nothing by themselves.
var judged = []string{"tcp", "udp", "set", "comment", "conntrack", "addrtype"}

// condition judges the conditions of our own rules and the plainest others.
func (fw *Firewall) condition(option string, args []string, not bool, p packet) answer {
	value := strings.Join(args, " ")
	holds := func(is bool) answer {
		if is != not {
			return yes
		}
		return no
	}
	switch option {
	case "--comment":
		return yes
	case "-m":
		if slices.Contains(judged, value) {
			return yes
		}
	case "-p":
		return holds(value == "tcp" || value == "all")
	case "--dport", "--ctorigdstport":
		return holds(inPorts(value, p.port))
	case "-s":
		if prefix, err := netip.ParsePrefix(value); err == nil {
			return holds(prefix.Contains(p.source))
		}
	case "-i":
		if value == "lo" {
			return holds(false) // it comes from outside
		}
	case "--match-set":
		if len(args) == 2 && args[1] == "src" {
			return holds(fw.inSet(args[0], p.source))
		}
	case "--dst-type":
		if value == "LOCAL" {
			return holds(p.local)
		}
	case "--ctdir":
		return holds(value == "ORIGINAL")
	}
	return perhaps
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
