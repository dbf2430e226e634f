package observed

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"reconciler/internal/tool"
)

// HostReader reads this machine's firewall.
type HostReader struct {
	Run  tool.Runner
	Spec HostSpec // completed and valid
	Root string   // where /etc is; empty outside tests
}

// Read gives the firewall as far as it is ours. What cannot be read is an
// error, never an empty firewall; only a kernel or a machine that cannot
// filter IPv6 at all leaves that family out, which Host.NoIPv6 says.
func (r HostReader) Read(ctx context.Context, now time.Time) (Host, error) {
	view := view{spec: r.Spec, ask: r.asker(ctx, now), host: Host{ReadAt: now, Lingers: r.Spec.Backend == BackendIPTables}}
	for _, f := range Families {
		table, err := r.Table(ctx, f)
		if CannotFilter(f, err) {
			view.host.NoIPv6 = true
			view.host.Warnings = append(view.host.Warnings, fmt.Sprintf("IPv6 bans are not enforced on this host: %v", err))
			continue
		}
		if err != nil {
			return Host{}, err
		}
		var set IPSet
		if r.Spec.Backend == BackendIPSet {
			if set, err = r.Set(ctx, r.Spec.SetName(f), now); err != nil {
				return Host{}, err
			}
		}
		view.family(f, table, set)
		if f == IPv4 && slices.Contains(r.Spec.Hooks, dockerHook) && !table.Has(dockerHook) {
			view.host.Overruled = append(view.host.Overruled, r.otherDocker(ctx, table)...)
		}
	}
	view.places()
	for _, path := range r.saved() {
		view.host.Saved = append(view.host.Saved, Saved{Path: path, Chain: r.Spec.Chain})
	}
	return view.host, nil
}

// CannotFilter says that err means that the machine has no IPv6 filter: the
// kernel has none, or ip6tables is not installed where iptables is. For IPv4
// that is a failure like any other.
func CannotFilter(f Family, err error) bool {
	return f == IPv6 && (errors.Is(err, tool.ErrNoFamily) || errors.Is(err, tool.ErrNotFound))
}

// view gathers both families into one Host.
type view struct {
	spec  HostSpec
	host  Host
	ask   asker
	found map[string]bool // hooks that are there in one family at least
}

func (v *view) family(f Family, table Table, set IPSet) {
	v.host.Present = v.host.Present || set.Exists || table.HasOwn(v.spec.Chain)
	if v.spec.Backend == BackendIPSet {
		v.host.Entries = append(v.host.Entries, set.Entries...)
		v.host.Defects = append(v.host.Defects, set.Defects(f, v.spec)...)
		v.setChain(f, table)
	} else {
		v.entryChain(f, table)
	}
	v.jumps(f, table)
}

func (v *view) defect(f Family, format string, args ...any) {
	v.host.Defects = append(v.host.Defects, fmt.Sprintf(format, args...)+" ("+label(f)+")")
}

func (v *view) setChain(f Family, table Table) {
	rules := v.spec.SetRules(f, v.spec.SetName(f))
	switch {
	case !table.HasOwn(v.spec.Chain):
		v.defect(f, "the chain %s is missing", v.spec.Chain)
	case table.Holds(v.spec.Chain, rules):
	case slices.ContainsFunc(table.Rules(v.spec.Chain), func(r Rule) bool { return r.Says(rules[0]) }):
		v.defect(f, "the chain %s holds other rules beside ours", v.spec.Chain)
	default:
		v.defect(f, "the chain %s does not block the set %s as configured", v.spec.Chain, v.spec.SetName(f))
	}
}

// entryChain reads the iptables back end's chain: a rule for each ban.
func (v *view) entryChain(f Family, table Table) {
	if !table.HasOwn(v.spec.Chain) {
		v.defect(f, "the chain %s is missing", v.spec.Chain)
		return
	}
	content := table.Entries(f, v.spec)
	v.host.Entries = append(v.host.Entries, content.Entries...)
	ofSets := 0
	for _, r := range table.Rules(v.spec.Chain) {
		if strings.Contains(r.Spec, "--match-set "+v.spec.SetName(f)+" ") {
			ofSets++
		}
	}
	if ofSets > 0 {
		v.defect(f, "the chain %s still asks the set of the back end ipset", v.spec.Chain)
	}
	switch strange := content.Foreign - ofSets; {
	case strange == 1:
		v.defect(f, "the chain %s holds a rule that is not ours", v.spec.Chain)
	case strange > 1:
		v.defect(f, "the chain %s holds %d rules that are not ours", v.spec.Chain, strange)
	}
	if content.Wrong > 0 {
		v.defect(f, "%d rules of the chain %s do not block as configured", content.Wrong, v.spec.Chain)
	}
	if content.Twice > 0 {
		v.defect(f, "%d prefixes are twice in the chain %s", content.Twice, v.spec.Chain)
	}
}

// jumps looks at each hook, and then at the way of packets to it.
func (v *view) jumps(f Family, table Table) {
	standing := 0
	for _, hook := range v.spec.Hooks {
		if !table.Has(hook) {
			v.host.Warnings = append(v.host.Warnings,
				fmt.Sprintf("the hook %s does not exist (%s): nothing is blocked there until it does", hook, label(f)))
			continue
		}
		standing++
		if v.found == nil {
			v.found = map[string]bool{}
		}
		v.found[hook] = true
		switch at := table.Jumps(hook, v.spec.Chain); len(at) {
		case 0:
			v.defect(f, "the jump from %s to %s is missing", hook, v.spec.Chain)
		case 1:
		default:
			v.defect(f, "the jump from %s to %s is there %d times", hook, v.spec.Chain, len(at))
		}
	}
	if standing == 0 {
		v.host.Overruled = append(v.host.Overruled, Opening{
			Sources: everywhere(f), Fixed: true,
			Why: fmt.Sprintf("%s: none of the hooks exists: %s", label(f), strings.Join(v.spec.Hooks, ", ")),
		})
	}
	v.host.Overruled = append(v.host.Overruled, table.Openings(f, v.spec, v.ask)...)
	for _, name := range table.Stray(v.spec) {
		v.defect(f, "a jump leads from %s to %s, which is not one of the hooks", name, v.spec.Chain)
	}
}

// places tells of hooks that exist in no family. With none at all there is no
// place for the chain, and what is in force stays as it is. Docker makes its
// own hook when it starts: while it does not run, that one guards nothing.
func (v *view) places() {
	v.host.Unhooked = len(v.found) == 0
	for _, hook := range v.spec.Hooks {
		if v.found[hook] || hook == dockerHook && !v.host.Unhooked {
			continue
		}
		why := fmt.Sprintf("the hook %s does not exist", hook)
		if builtIn := strings.ToUpper(hook); builtIn != hook && slices.Contains(roots, builtIn) {
			why += fmt.Sprintf(" (the chain is called %s)", builtIn)
		}
		v.host.Refused = append(v.host.Refused, why)
		if !v.host.Unhooked {
			v.host.Overruled = append(v.host.Overruled, Opening{Fixed: true, Why: why + ", so nothing is blocked there"})
		}
	}
}

// ChainContent is what the chain of the iptables back end holds.
type ChainContent struct {
	Entries []HostEntry // sorted by prefix, no prefix twice: the latest end counts
	Foreign int         // rules that are no ban
	Wrong   int         // bans with another shape or verdict than configured
	Twice   int         // rules whose prefix another rule has
}

// Entries reads the bans from the chain of the iptables back end. The rules of
// one ban stand side by side.
func (t Table) Entries(f Family, spec HostSpec) ChainContent {
	var c ChainContent
	rules := t.Rules(spec.Chain)
	for i := 0; i < len(rules); i++ {
		e, ok := rules[i].Entry()
		if !ok || FamilyOf(e.Prefix) != f {
			c.Foreign++
			continue
		}
		want := spec.EntryRules(e)
		same := i+len(want) <= len(rules) && slices.EqualFunc(rules[i:i+len(want)], want, func(r Rule, spec string) bool { return r.Says(spec) })
		if same {
			i += len(want) - 1
		} else {
			c.Wrong++
		}
		c.Entries = append(c.Entries, e)
	}
	all := len(c.Entries)
	c.Entries = sortEntries(c.Entries)
	c.Twice = all - len(c.Entries)
	return c
}
