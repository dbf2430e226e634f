package plan

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"reconciler/internal/desired"
	"reconciler/internal/observed"
)

// Plan is what is to be changed, in order, and all that a reader should know.
type Plan struct {
	Time     time.Time
	Changes  []Change
	Withheld []Change  // removals that no record explains; they wait for --force or a confirm
	Refused  []Refusal // bans that a guard keeps out
	Summary  Summary   // after the changes
	Skipped  []desired.LineError
	Warnings []string
}

// Empty says that nothing is to be changed and nothing was withheld.
func (p Plan) Empty() bool { return len(p.Changes) == 0 && len(p.Withheld) == 0 }

// maxPasses bounds Compute. Each pass is what one cycle of the loop can do
// safely. A slot that must be emptied before it is filled takes two, and an ACL
// that moves to another window with one spare slot takes two for each entry.
const maxPasses = 128

// Compute gives everything that has to happen until observed equals desired,
// as the loop would do it: the host first, then each ACL, then what the host
// need no longer hold. Targets that could not be read get no changes.
func Compute(want desired.Set, have observed.State, limits Limits, now time.Time) Plan {
	w := Prepare(want, limits)
	p := Plan{Time: now, Refused: w.Refused(), Skipped: want.Bad}
	for range maxPasses {
		changes, withheld := pass(w, &have, limits, now)
		p.Withheld = withheld
		if len(changes) == 0 {
			break
		}
		p.Changes = append(p.Changes, changes...)
	}
	p.Summary, p.Warnings = Examine(w, have, limits, now)
	return p
}

// Examine counts what a state enforces, and says what an operator should know.
func Examine(w *Want, have observed.State, limits Limits, now time.Time) (Summary, []string) {
	sum := Summarise(w, have, limits, now)
	own := warnings(w, have, sum, limits, now)
	if sum.Host.Enforced < sum.Active {
		own = append(own, Locate(w, have, limits, now).nowhere()...)
	}
	return sum, slices.Concat(w.set.Warnings, own)
}

// nowhere tells of the bans that nothing enforces, and why that is with the first
// of them. A host that could not be read may hold them all.
func (at Whereabouts) nowhere() []string {
	if at.blind {
		return nil
	}
	var first desired.Ban
	n := 0
	for _, b := range at.Bans() {
		if len(b.EnforcedBy) > 0 {
			continue
		}
		if n++; n == 1 {
			first = b.Ban
		}
	}
	if n == 0 {
		return nil
	}
	words := "enforced nowhere: " + Count(n, "ban", "bans")
	switch why := at.edges(first.Prefix); {
	case at.idle != "":
		words += "; " + at.idle
	case len(why) > 0:
		words += fmt.Sprintf("; of %s: %s", first.Prefix, strings.TrimSuffix(why[0], "."))
	default:
		words += fmt.Sprintf("; `reconciler status %s` says why", first.Prefix.Addr())
	}
	return []string{words}
}

// pass plans each target once and carries the changes out on the picture.
func pass(w *Want, have *observed.State, limits Limits, now time.Time) (changes, withheld []Change) {
	if have.Host != nil {
		c, held := ForHost(w, *have.Host, have.ACLs, limits, now)
		after := HostAfter(*have.Host, c, now)
		have.Host = &after
		changes, withheld = append(changes, c...), append(withheld, held...)
	}
	acls := slices.Clone(have.ACLs)
	for i, acl := range acls {
		c, held := ForACL(w, acl, have.Host, limits, now)
		acls[i] = ACLAfter(acl, c)
		changes, withheld = append(changes, c...), append(withheld, held...)
	}
	have.ACLs = acls
	return changes, withheld
}

// warnings says what an operator should know about the state that is reached.
func warnings(w *Want, have observed.State, sum Summary, limits Limits, now time.Time) []string {
	var out []string
	if w.set.Paused {
		return []string{"paused: nothing is enforced until `reconciler resume`"}
	}
	for _, r := range w.refused {
		out = append(out, fmt.Sprintf("the ban of %s is refused: it %s", r.Prefix, r.Why))
	}
	if have.Host != nil {
		for _, words := range have.Host.Defects {
			out = append(out, "the host does not enforce: "+words)
		}
		out = append(out, openingWarnings(w, have.Host.Overruled, now)...)
		if limits.HostCap > 0 && sum.Host.Enforced >= limits.HostCap && sum.Active > sum.Host.Enforced {
			out = append(out, fmt.Sprintf("the host holds its limit of %d bans; install ipset and use --host ipset to hold all", limits.HostCap))
		}
	}
	out = append(out, Guarding(have.ACLs, limits)...)
	for _, acl := range have.ACLs {
		if acl.Managed {
			out = append(out, acl.ID+" is "+ManagedText(limits.Window))
		}
		for _, f := range observed.Families {
			if words := limits.short(acl.ID, f); words != "" {
				out = append(out, words)
			}
		}
		out = append(out, aclWarnings(acl.ID, sum.NACL[acl.ID], limits)...)
		if Contested(w, acl, limits, now) {
			out = append(out, Contest(acl.ID, limits))
		}
		for _, action := range slices.Sorted(maps.Keys(acl.Denied)) {
			out = append(out, acl.Denied[action])
		}
		for _, prefix := range slices.SortedFunc(maps.Keys(acl.Refused), observed.Compare) {
			out = append(out, fmt.Sprintf("%s refuses %s: %s; the host alone enforces it", acl.ID, prefix, acl.Refused[prefix]))
		}
	}
	return out
}

// Contested says that others write where our entries are in this ACL, so that in
// overflow mode the host keeps every ban.
func Contested(w *Want, acl observed.ACL, limits Limits, now time.Time) bool {
	return limits.HostMode == HostOverflow && !limits.NoHost && !limits.Retired[acl.ID] && judged(w, acl, limits, now).contested()
}

// Contest says in words what follows from that.
func Contest(id string, limits Limits) string {
	return fmt.Sprintf("%s: others write into the rules %d-%d, so the host keeps every ban; give each host rules of its own (--rules)",
		id, limits.Window.First, limits.Window.Last)
}

// openingWarnings tells of each way past our rule that is for everybody or for
// a ban that is wanted.
func openingWarnings(w *Want, openings []observed.Opening, now time.Time) []string {
	var out []string
	for _, o := range openings {
		switch {
		case o.Any():
			out = append(out, "the host does not enforce: "+o.Why)
		case letsPast(w, o, now):
			out = append(out, "the host does not enforce the bans in these addresses: "+o.Why)
		}
	}
	return out
}

func aclWarnings(id string, families map[observed.Family]ACLSummary, limits Limits) []string {
	var out []string
	for _, f := range observed.Families {
		s := families[f]
		if s.Unclaimed > 0 {
			out = append(out, fmt.Sprintf("%s: %s but no record names %s; %s", id, Count(s.Unclaimed, string(f)+" entry looks like ours", string(f)+" entries look like ours"), them(s.Unclaimed), Claim(id, limits.Shared[id])))
		}
		if s.Shadowed > 0 {
			out = append(out, fmt.Sprintf("%s: %s overruled by a lower-numbered allow; move the allow above the window", id, Count(s.Shadowed, string(f)+" ban is", string(f)+" bans are")))
		}
		if e := s.overruling; e.Number > 0 {
			out = append(out, fmt.Sprintf("%s: %s; give that rule a number above %d, or change --rules", id, overrulingText(e, f, s.Capacity), limits.Window.Last))
		}
	}
	return out
}

// ManagedText says what it means for a window that AWS Firewall Manager keeps
// the ACL.
func ManagedText(window observed.Window) string {
	text := "kept by AWS Firewall Manager (tag FMManaged), which may take entries back"
	if room := observed.CustomWindow; !room.Contains(window.First) || !room.Contains(window.Last) {
		text += fmt.Sprintf(": rules that are not its policy's usually lie at %d-%d there; set --rules to where yours may be, below every allow", room.First, room.Last)
	}
	return text
}

// overrulingText says what an allow costs, and why.
func overrulingText(e observed.Entry, f observed.Family, capacity int) string {
	traffic := "all"
	if e.Shape.Protocol != observed.ProtocolAll {
		traffic = e.Shape.String()
	}
	if capacity == 0 {
		return fmt.Sprintf("an allow below the window leaves no number for %s bans: rule %d allows %s from %s, and a deny above it does not stop that",
			f, e.Number, traffic, e.Prefix)
	}
	return fmt.Sprintf("numbers above rule %d are not usable for %s bans, which leaves %d: it allows %s from %s, and a deny above it does not stop that",
		e.Number, f, capacity, traffic, e.Prefix)
}
