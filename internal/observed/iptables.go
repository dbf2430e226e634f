package observed

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// Table is the filter table of one family as iptables-save shows it.
type Table struct {
	chains map[string]*chain
	names  []string // in the order of the text
}

type chain struct {
	policy string // "-" for a chain that somebody made
	rules  []Rule
}

// Rule is one rule of a chain.
type Rule struct {
	Chain string
	Spec  string // all behind the chain's name, as iptables-save wrote it
}

// Table reads the filter table of one family.
func (r HostReader) Table(ctx context.Context, f Family) (Table, error) {
	program := r.Spec.Program(f, "save")
	out, err := r.Run.Run(ctx, nil, program, "-t", "filter")
	if err != nil {
		return Table{}, fmt.Errorf("reading the %s filter table: %w", label(f), err)
	}
	return ParseTable(out), nil
}

// label is how a family is written in words.
func label(f Family) string {
	if f == IPv6 {
		return "IPv6"
	}
	return "IPv4"
}

// ParseTable reads the output of iptables-save. Other tables and lines that it
// does not understand are passed over; a rule is taken apart only when it
// matters, because a foreign table may have very many.
func ParseTable(out []byte) Table {
	t := Table{chains: map[string]*chain{}}
	text, filter := string(out), false
	for text != "" {
		var line string
		line, text, _ = strings.Cut(text, "\n")
		switch {
		case strings.HasPrefix(line, "*"):
			filter = line == "*filter"
		case !filter:
		case strings.HasPrefix(line, ":"):
			name, rest := word(line[1:])
			policy, _ := word(rest)
			t.chain(name).policy = policy
		case strings.HasPrefix(line, "-A "):
			name, spec := word(line[3:])
			c := t.chain(name)
			c.rules = append(c.rules, Rule{Chain: name, Spec: spec})
		}
	}
	return t
}

func (t *Table) chain(name string) *chain {
	c := t.chains[name]
	if c == nil {
		c = &chain{policy: "-"}
		t.chains[name] = c
		t.names = append(t.names, name)
	}
	return c
}

// Has says that the chain exists. The built-in chains always do: an untouched
// table may be shown without them.
func (t Table) Has(name string) bool {
	return t.chains[name] != nil || name == "INPUT" || name == "FORWARD" || name == "OUTPUT"
}

// HasOwn says that a chain that somebody made is there.
func (t Table) HasOwn(name string) bool { return t.chains[name] != nil }

// Rules gives the rules of a chain in their order.
func (t Table) Rules(name string) []Rule {
	if c := t.chains[name]; c != nil {
		return c.rules
	}
	return nil
}

// policy is what becomes of a packet at the end of a chain: "-" in a chain
// that somebody made.
func (t Table) policy(name string) string {
	if c := t.chains[name]; c != nil {
		return c.policy
	}
	return "ACCEPT"
}

// Jumps gives the positions, from 1, of the rules of hook that send every
// packet to the chain.
func (t Table) Jumps(hook, to string) []int {
	var at []int
	for i, r := range t.Rules(hook) {
		if r.isJump(to) {
			at = append(at, i+1)
		}
	}
	return at
}

// Stray gives the chains, other than the hooks, that send every packet to ours.
func (t Table) Stray(spec HostSpec) []string {
	var strays []string
	for _, name := range t.names {
		if !slices.Contains(spec.Hooks, name) && len(t.Jumps(name, spec.Chain)) > 0 {
			strays = append(strays, name)
		}
	}
	return strays
}

// Entering gives every rule of the table that leads into the chain, with
// whatever conditions.
func (t Table) Entering(to string) []Rule {
	var rules []Rule
	for _, name := range t.names {
		for _, r := range t.chains[name].rules {
			if strings.Contains(r.Spec, to) && target(r.options()) == to {
				rules = append(rules, r)
			}
		}
	}
	return rules
}

// Holds says that the chain is there and holds these rules, in this order and
// no others. Rules are compared by what they say, not by their text.
func (t Table) Holds(name string, specs []string) bool {
	if t.chains[name] == nil {
		return false
	}
	return slices.EqualFunc(t.Rules(name), specs, func(r Rule, spec string) bool { return r.Says(spec) })
}

// Matches says that a rule of the chain asks the set.
func (t Table) Matches(name, set string) bool {
	return slices.ContainsFunc(t.Rules(name), func(r Rule) bool {
		return slices.ContainsFunc(r.options(), func(o option) bool {
			return o.name == "--match-set" && len(o.args) > 0 && o.args[0] == set
		})
	})
}
