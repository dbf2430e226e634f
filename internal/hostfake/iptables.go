package hostfake

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// table is the filter table of one family.
type table struct {
	order  []string // chains in the order in which they were made
	chains map[string][]string
	policy map[string]string
}

func newTable() *table {
	t := &table{chains: map[string][]string{}, policy: map[string]string{}}
	for _, name := range []string{"INPUT", "FORWARD", "OUTPUT"} {
		t.order = append(t.order, name)
		t.chains[name] = nil
		t.policy[name] = "ACCEPT"
	}
	return t
}

func (t *table) clone() *table {
	c := &table{order: slices.Clone(t.order), chains: map[string][]string{}, policy: map[string]string{}}
	for name, rules := range t.chains {
		c.chains[name] = slices.Clone(rules)
	}
	for name, policy := range t.policy {
		c.policy[name] = policy
	}
	return c
}

// tableOf gives the table that a program works on, and its place. What is the
// system's choice is the legacy variant here.
func (fw *Firewall) tableOf(program string) (name string, t *table) {
	name = strings.TrimSuffix(strings.TrimSuffix(program, "-save"), "-restore")
	name = strings.TrimSuffix(name, "-legacy")
	return name, fw.tables[name]
}

func isIPv6(program string) bool { return strings.HasPrefix(program, "ip6") }

const noFamily = "Cannot initialize: Table does not exist (do you need to insmod?)"

// restoreTable runs lines in one transaction: a line that is refused undoes
// all of them.
func (fw *Firewall) restoreTable(call Call) string {
	name, t := fw.tableOf(call.Program)
	if t == nil || isIPv6(name) && fw.NoIPv6 {
		return call.Program + ": " + noFamily
	}
	t = t.clone()
	committed := false
	for number, line := range strings.Split(strings.TrimSuffix(call.Stdin, "\n"), "\n") {
		complaint := ""
		switch {
		case line == "COMMIT":
			committed = true
		case line == "*filter" && number == 0:
		default:
			complaint = fw.tableLine(t, name, line)
		}
		if complaint != "" {
			return fmt.Sprintf("%s: line %d failed: %s", call.Program, number+1, complaint)
		}
	}
	if !committed {
		return call.Program + ": COMMIT expected"
	}
	fw.tables[name] = t
	return ""
}

func (fw *Firewall) tableLine(t *table, family, line string) string {
	words := strings.Fields(line)
	if strings.HasPrefix(line, ":") && len(words) > 1 {
		t.reset(words[0][1:], words[1])
		return ""
	}
	if len(words) < 2 {
		return "Bad argument"
	}
	command, chain := words[0], words[1]
	if _, ok := t.chains[chain]; !ok {
		return "No chain/target/match by that name."
	}
	_, spec, _ := strings.Cut(line, " "+chain)
	spec = normal(strings.TrimSpace(spec), family)
	switch command {
	case "-A":
		return fw.insert(t, chain, len(t.chains[chain]), spec, family)
	case "-I":
		position := 1
		if number, rest, _ := strings.Cut(spec, " "); number != "" && number[0] != '-' {
			position, _ = strconv.Atoi(number)
			spec = normal(rest, family)
		}
		return fw.insert(t, chain, position-1, spec, family)
	case "-D":
		i := slices.Index(t.chains[chain], spec)
		if i < 0 {
			return "Bad rule (does a matching rule exist in that chain?)."
		}
		t.chains[chain] = slices.Delete(t.chains[chain], i, i+1)
	case "-F":
		t.chains[chain] = nil
	case "-X":
		return t.drop(chain)
	default:
		return "unknown command " + command
	}
	return ""
}

// reset makes a chain, or empties it.
func (t *table) reset(name, policy string) {
	if _, ok := t.chains[name]; !ok {
		t.order = append(t.order, name)
	}
	t.chains[name] = nil
	if policy != "-" {
		t.policy[name] = policy
	}
}

func (t *table) drop(name string) string {
	if t.policy[name] != "" || len(t.chains[name]) > 0 {
		return "CHAIN_DEL failed (Device or resource busy): chain " + name
	}
	for _, rules := range t.chains {
		if slices.ContainsFunc(rules, func(spec string) bool { return word(spec, "-j") == name || word(spec, "-g") == name }) {
			return "CHAIN_DEL failed (Device or resource busy): chain " + name
		}
	}
	delete(t.chains, name)
	t.order = slices.DeleteFunc(t.order, func(n string) bool { return n == name })
	return ""
}

// targets are those that are no chain.
var targets = []string{"", "ACCEPT", "DROP", "REJECT", "RETURN", "LOG", "NFQUEUE"}

func (fw *Firewall) insert(t *table, chain string, at int, spec, family string) string {
	if at < 0 || at > len(t.chains[chain]) {
		return "Index of insertion too big."
	}
	for _, to := range []string{word(spec, "-j"), word(spec, "-g")} {
		if _, isChain := t.chains[to]; !isChain && !slices.Contains(targets, to) {
			return "Chain '" + to + "' does not exist"
		}
	}
	if name := word(spec, "--match-set"); name != "" {
		s := fw.sets[name]
		if s == nil {
			return "Set " + name + " doesn't exist."
		}
		if (s.family == "inet") == isIPv6(family) {
			return "The protocol family of set " + name + " is not applicable."
		}
	}
	t.chains[chain] = slices.Insert(t.chains[chain], at, spec)
	return ""
}

// normal writes a rule as iptables-save would, as far as our own rules go: the
// rest is taken to be in that form already.
func normal(spec, family string) string {
	if strings.HasSuffix(spec, "-j REJECT") {
		spec += " --reject-with " + map[bool]string{false: "icmp-port-unreachable", true: "icmp6-port-unreachable"}[isIPv6(family)]
	}
	return spec
}

// quoted is a text in a rule, whatever it says.
var quoted = regexp.MustCompile(`"(\\.|[^"\\])*"`)

// wordsOf gives the words of a rule, of which a text is one.
func wordsOf(spec string) []string { return strings.Fields(quoted.ReplaceAllString(spec, "_")) }

// word gives the word behind an option of a rule.
func word(spec, option string) string {
	words := wordsOf(spec)
	if i := slices.Index(words, option); i >= 0 && i+1 < len(words) {
		return words[i+1]
	}
	return ""
}

func (fw *Firewall) saveTable(call Call) (out, complaint string) {
	name, t := fw.tableOf(call.Program)
	if t == nil || isIPv6(name) && fw.NoIPv6 {
		return "", call.Program + ": " + noFamily
	}
	var b strings.Builder
	version := "v1.8.9"
	if strings.HasSuffix(name, "-nft") {
		version += " (nf_tables)"
	}
	fmt.Fprintf(&b, "# Generated by %s %s on a day\n*filter\n", call.Program, version)
	for _, chain := range t.order {
		policy := t.policy[chain]
		if policy == "" {
			policy = "-"
		}
		fmt.Fprintf(&b, ":%s %s [0:0]\n", chain, policy)
	}
	for _, chain := range t.order {
		for _, spec := range t.chains[chain] {
			fmt.Fprintf(&b, "-A %s %s\n", chain, spec)
		}
	}
	b.WriteString("COMMIT\n# Completed\n")
	return b.String(), ""
}

// inUse says that a rule asks the set.
func (fw *Firewall) inUse(set string) bool {
	for _, t := range fw.tables {
		for _, rules := range t.chains {
			if slices.ContainsFunc(rules, func(spec string) bool { return word(spec, "--match-set") == set }) {
				return true
			}
		}
	}
	return false
}
