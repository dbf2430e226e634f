package observed

import (
	"fmt"
	"net/netip"
	"slices"
)

// Opening is a way past our rule: traffic that a ban is to block and that
// reaches a verdict other than a drop without having been through our chain.
type Opening struct {
	Sources Sources // from where; nil: from anywhere, in either family
	Why     string
	Fixed   bool // moving the jump to the top of its hook does not end it
}

func (o Opening) String() string { return o.Why }

// Any reports whether the opening is for all addresses of a family.
func (o Opening) Any() bool {
	if len(o.Sources) == 0 {
		return true
	}
	f := FamilyOf(netip.PrefixFrom(o.Sources[0].from, 0))
	return len(o.Sources.minusAll(f)) == 0
}

// roots are the built-in chains that packets from the network go through.
var roots = []string{"INPUT", "FORWARD"}

// asker gives the sources of which a set is made; exact is false when they are
// only known to lie among those, and known when the set says nothing of them.
type asker func(set string) (from Sources, exact, known bool)

// Openings follows new traffic of our shape, from any address, from the
// built-in chains from which the hooks are reached to a verdict, as a packet
// goes: through jumps, returns, gotos and policies. A jump that is missing
// counts as standing at the top of its hook, where a repair puts it.
//
// What a rule matches is known for sources, protocols, ports and connection
// states; any other condition may match and may not, and a target that is not
// known may accept. Loopback, multicast and broadcast destinations, known
// connections, ICMP and IGMP open no service and do not count.
func (t Table) Openings(f Family, spec HostSpec, ask asker) []Opening {
	found := t.unreached(f, spec)
	for _, root := range roots {
		if !slices.ContainsFunc(spec.Hooks, func(hook string) bool { return t.Has(hook) && t.reaches(root, hook) }) {
			continue
		}
		now := newWalk(t, f, spec, ask, false).from(root)
		if len(now) == 0 {
			continue
		}
		var lasting []Sources
		for _, o := range newWalk(t, f, spec, ask, true).from(root) {
			lasting = append(lasting, o.Sources)
		}
		always := Union(lasting...)
		for _, o := range now {
			o.Fixed = len(o.Sources.and(always)) > 0
			if o.Fixed {
				o.Why += "; a higher place in the hook does not help: name the chain " + root + " as a hook"
			}
			found = append(found, o)
		}
	}
	return found
}

// unreached tells of hooks that are there and that no packet enters. Where
// FORWARD is a hook too, nothing gets to such a chain that ours did not see.
func (t Table) unreached(f Family, spec HostSpec) []Opening {
	var found []Opening
	for _, hook := range spec.Hooks {
		dead := t.Has(hook) && !slices.ContainsFunc(roots, func(root string) bool { return t.reaches(root, hook) })
		if dead && !slices.Contains(spec.Hooks, "FORWARD") {
			found = append(found, Opening{Sources: everywhere(f), Fixed: true, Why: fmt.Sprintf(
				"%s: nothing leads from INPUT or FORWARD to the hook %s, so no packet meets a ban there; name the chain FORWARD as a hook", label(f), hook)})
		}
	}
	return found
}

// reaches reports whether some packet may get from one chain to another.
func (t Table) reaches(from, to string) bool {
	seen := map[string]bool{}
	next := []string{from}
	for len(next) > 0 {
		name := next[0]
		next = next[1:]
		if name == to {
			return true
		}
		if seen[name] {
			continue
		}
		seen[name] = true
		for _, r := range t.Rules(name) {
			if chain := target(r.options()); t.HasOwn(chain) {
				next = append(next, chain)
			}
		}
	}
	return false
}

// walk is one way through the chains.
type walk struct {
	table   Table
	family  Family
	spec    HostSpec
	ask     asker
	pinned  bool // every jump stands at the top of its hook
	root    string
	found   []Opening
	escaped Sources // from where something was found already
	back    map[string]traffic
	within  map[string]bool // chains that the walk is in: the kernel refuses loops
}

func newWalk(t Table, f Family, spec HostSpec, ask asker, pinned bool) *walk {
	return &walk{table: t, family: f, spec: spec, ask: ask, pinned: pinned, back: map[string]traffic{}, within: map[string]bool{}}
}

// from walks from a built-in chain.
func (w *walk) from(root string) []Opening {
	w.root = root
	rest := w.chain(root, newTraffic(w.family, w.spec.Shape, root))
	if !rest.none() && w.table.policy(root) != "DROP" {
		w.open(rest, fmt.Sprintf("the policy of %s%s", root, rest.way))
	}
	return w.found
}

// chain gives what comes back from a chain.
func (w *walk) chain(name string, tr traffic) traffic {
	key := name + " " + tr.key()
	if back, known := w.back[key]; known || w.within[name] {
		return back
	}
	w.within[name] = true
	back := traffic{}
	rules := w.table.Rules(name)
	jumps := w.table.Jumps(name, w.spec.Chain)
	if slices.Contains(w.spec.Hooks, name) && (w.pinned || len(jumps) == 0) {
		tr = traffic{} // all of it meets our rule first
	}
	for i := range rules {
		if tr.none() {
			break
		}
		tr = w.rule(step{&rules[i], i + 1}, tr, &back)
	}
	delete(w.within, name)
	back = back.or(tr)
	w.back[key] = back
	return back
}

// step is a rule and its place in its chain, from 1.
type step struct {
	rule     *Rule
	position int
}

func (s step) String() string {
	return fmt.Sprintf("rule %d of %s (%q)", s.position, s.rule.Chain, s.rule.Spec)
}

// passing are the targets after which a packet goes on to the next rule.
var passing = []string{
	"", "LOG", "NFLOG", "ULOG", "MARK", "CONNMARK", "SECMARK", "CONNSECMARK", "CLASSIFY", "TCPMSS", "TCPOPTSTRIP", "DSCP",
	"TOS", "ECN", "TTL", "HL", "SET", "AUDIT", "CHECKSUM", "TRACE", "CT", "NOTRACK", "LED", "IDLETIMER", "RATEEST", "HMARK", "TEE",
}

// rule gives the traffic that goes on to the next rule, and adds to back what
// leaves the chain for its caller.
func (w *walk) rule(s step, tr traffic, back *traffic) traffic {
	options := s.rule.options()
	to, leaves := verdict(options)
	if s.rule.mapped {
		to = "a map of nft"
	}
	if slices.Contains(passing, to) && !w.table.HasOwn(to) { // nft takes any name for a chain
		return tr
	}
	m := w.match(options, tr, s.rule.native)
	if m.traffic.none() {
		return tr
	}
	switch {
	case to == w.spec.Chain, to == "DROP", to == "REJECT":
	case to == "ACCEPT":
		w.open(m.traffic, s.String())
	case to == "RETURN":
		*back = back.or(m.traffic.by(s))
	case !w.table.HasOwn(to) || slices.Contains(roots, to):
		m.traffic.doubt = m.traffic.doubt || to != "NFQUEUE"
		w.open(m.traffic, s.String())
		return tr
	default:
		returned := w.chain(to, m.traffic)
		if leaves {
			*back = back.or(returned.by(s))
			return m.rest
		}
		return m.rest.or(returned)
	}
	return m.rest
}

// verdict is where a rule sends its packets, and whether they do not come back.
func verdict(options []option) (to string, leaves bool) {
	return target(options), slices.ContainsFunc(options, func(o option) bool { return o.name == "-g" })
}

// open files a find, unless all of its sources are known to get past already.
func (w *walk) open(tr traffic, what string) {
	fresh := tr.sources.minus(w.escaped)
	if len(fresh) == 0 {
		return
	}
	w.escaped = Union(w.escaped, fresh)
	lets := "lets"
	if tr.doubt {
		lets = "may let"
	}
	w.found = append(w.found, Opening{Sources: fresh, Why: fmt.Sprintf("%s: %s %s new traffic%s past before a jump to %s",
		label(w.family), what, lets, fresh.words(w.family), w.spec.Chain)})
}

// words names the sources when they are few.
func (s Sources) words(f Family) string {
	switch {
	case len(s.minusAll(f)) == 0:
		return ""
	case len(s) == 1:
		return fmt.Sprintf(" from %s to %s", s[0].from, s[0].to)
	default:
		return fmt.Sprintf(" from %d ranges of addresses", len(s))
	}
}

// minusAll gives the addresses of the family that are not in the set.
func (s Sources) minusAll(f Family) Sources { return everywhere(f).minus(s) }
