package plan

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/fatih/color"

	"reconciler/internal/desired"
	"reconciler/internal/observed"
)

// Style is how text is written: the colours and the zone of the reader.
type Style struct {
	Color  bool
	Zone   *time.Location // nil: local
	NoHost bool           // no firewall of this host takes part
}

// Paint colours a text where there are colours.
func (s Style) Paint(attr color.Attribute, text string) string {
	c := color.New(attr)
	if s.Color {
		c.EnableColor()
	} else {
		c.DisableColor()
	}
	return c.Sprint(text)
}

// WriteText writes a report for people: a table a target, then totals.
func WriteText(w io.Writer, r Report, style Style) error {
	t := &textWriter{w: w, style: style, now: r.Time}
	t.changes(r)
	t.withheld(r.Withheld)
	t.totals(r)
	t.notes(r.Skipped, r.Warnings)
	return t.err
}

type textWriter struct {
	w     io.Writer
	style Style
	now   time.Time
	err   error
}

func (t *textWriter) printf(format string, args ...any) {
	if t.err == nil {
		_, t.err = fmt.Fprintf(t.w, format, args...)
	}
}

func (t *textWriter) paint(attr color.Attribute, text string) string {
	return t.style.Paint(attr, text)
}

// changes prints one block a target, in the order in which targets first occur.
func (t *textWriter) changes(r Report) {
	var targets []string
	for _, o := range r.Outcomes {
		if !slices.Contains(targets, o.Target) {
			targets = append(targets, o.Target)
		}
	}
	for _, target := range targets {
		t.printf("%s\n", t.paint(color.Bold, plain(target)))
		rows := make([]Outcome, 0, len(r.Outcomes))
		for _, o := range r.Outcomes {
			if o.Target == target {
				rows = append(rows, o)
			}
		}
		t.table(rows)
		t.printf("\n")
	}
	switch {
	case len(r.Outcomes) > 0:
	case r.Partial:
		t.printf("No changes where the state could be read.\n\n")
	default:
		t.printf("No changes: what is enforced is what the state asks for.\n\n")
	}
}

// table prints what concerns a target as a whole, a reason a line, and then the
// changes of prefixes in columns.
func (t *textWriter) table(rows []Outcome) {
	columns := make([]Outcome, 0, len(rows))
	for _, o := range rows {
		if o.Prefix.IsValid() || o.Old.IsValid() {
			columns = append(columns, o)
			continue
		}
		sign, attr := signOf(o)
		lead := t.paint(attr, sign) + " " + o.verb()
		for reason := range strings.SplitSeq(plain(why(o)), "; ") {
			t.printf("  %s  %s\n", lead, reason)
			lead = strings.Repeat(" ", len(sign)+1+len(o.verb()))
		}
	}
	if len(columns) > 0 {
		t.columns(columns)
	}
}

// columns aligns the plain text first and colours the sign of each row after,
// because escape sequences would spoil the widths.
func (t *textWriter) columns(rows []Outcome) {
	var b strings.Builder
	tw := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, o := range rows {
		_, _ = fmt.Fprintf(tw, "%s\t%s\t%s\t%s\t%s\t%s\n", o.Action, rule(o.Rule), what(o), t.end(o), JailList(o.Jails), plain(why(o)))
	}
	if err := tw.Flush(); err != nil && t.err == nil {
		t.err = err
	}
	for i, line := range strings.Split(strings.TrimSuffix(b.String(), "\n"), "\n") {
		sign, attr := signOf(rows[i])
		t.printf("  %s %s\n", t.paint(attr, sign), strings.TrimRight(line, " "))
	}
}

func rule(n int) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf("rule %d", n)
}

func what(o Outcome) string {
	switch {
	case o.Action == Replace && o.Old != o.Prefix:
		return fmt.Sprintf("%s -> %s", o.Old, o.Prefix)
	case o.Action == Delete:
		return prefixText(o.Old)
	}
	return prefixText(o.Prefix)
}

func why(o Outcome) string {
	if o.Err != nil {
		return fmt.Sprintf("%s: FAILED: %v", o.Why, o.Err)
	}
	return o.Why
}

func signOf(o Outcome) (string, color.Attribute) {
	switch {
	case o.Err != nil:
		return "!", color.FgRed
	case o.Action == Create || o.Action == Add || o.First:
		return "+", color.FgGreen
	case o.Action == Delete || o.Action == Remove:
		return "-", color.FgRed
	}
	return "~", color.FgYellow
}

func (t *textWriter) end(o Outcome) string {
	if o.Action == Delete || !o.Prefix.IsValid() {
		return ""
	}
	return EndText(o.Until, t.now, t.style.Zone)
}

func (t *textWriter) withheld(changes []Change) {
	if len(changes) == 0 {
		return
	}
	head, end := "Withheld: "+Count(len(changes), "removal that no record explains", "removals that no record explains"), "`reconciler confirm` or --force lets them through."
	if Unnamed(changes) {
		head, end = fmt.Sprintf("Withheld: %s, as the logs name nothing of what is enforced here", Count(len(changes), "removal", "removals")),
			"Is the setting `state` right? Keep the log that it named before in its list."
	}
	t.printf("%s\n", t.paint(color.FgYellow, head))
	for _, c := range changes[:min(len(changes), 10)] {
		p := c.Prefix
		if c.Old.IsValid() {
			p = c.Old
		}
		t.printf("  ? %s\n", strings.Join(strings.Fields(fmt.Sprintf("%s %s %s", plain(c.Target), rule(c.Rule), p)), " "))
	}
	if len(changes) > 10 {
		t.printf("  … and %d more\n", len(changes)-10)
	}
	t.printf("  %s\n\n", end)
}

// totals prints what was or would be done, then where the bans are enforced.
func (t *textWriter) totals(r Report) {
	counts := map[string]int{}
	for _, o := range r.Outcomes {
		counts[o.verb()]++
	}
	var parts []string
	for _, a := range []string{string(Create), string(Replace), string(Delete), "set up", string(Repair), string(Pin), string(Add), string(Refresh), string(Remove)} {
		if counts[a] > 0 {
			parts = append(parts, fmt.Sprintf("%d to %s", counts[a], a))
		}
	}
	switch {
	case r.Applied && len(r.Outcomes) > 0:
		failed := r.Failed()
		t.printf("Applied: %s; %d ok, %d failed.\n", strings.ReplaceAll(strings.Join(parts, ", "), " to ", " "), len(r.Outcomes)-failed, failed)
	case len(parts) > 0:
		t.printf("Plan: %s.\n", strings.Join(parts, ", "))
	}
	t.summary(r.Summary)
}

// WriteSummary writes the figures of a state, its skipped lines and warnings.
func WriteSummary(w io.Writer, s Summary, skipped []desired.LineError, warnings []string, style Style) error {
	t := &textWriter{w: w, style: style}
	t.printf("Active bans: %d.", s.Active)
	if !style.NoHost {
		t.printf(" Enforced: host %d.", s.Host.Enforced)
	}
	t.printf("\n")
	t.capacities(s)
	t.strangers(s)
	t.notes(skipped, warnings)
	return t.err
}

// capacities says once what an ACL has room for where both families have the same,
// as they do unless something is particular.
func (t *textWriter) capacities(sum Summary) {
	for _, id := range slices.Sorted(maps.Keys(sum.NACL)) {
		v4, v6 := sum.NACL[id][observed.IPv4], sum.NACL[id][observed.IPv6]
		if v4.Capacity == v6.Capacity && v4.ordinary() && v6.ordinary() {
			t.printf("%s: %d IPv4, %d IPv6 of %s each; %d foreign.\n", id, v4.Enforced, v6.Enforced, Count(v4.Capacity, "slot", "slots"), v4.Foreign+v6.Foreign)
			continue
		}
		for _, f := range observed.Families {
			s := sum.NACL[id][f]
			t.printf("%s %s: %d of %s.\n", id, f, s.Enforced, Count(s.Capacity, "slot", "slots"))
		}
	}
}

// ordinary reports that nothing is to be told of a family but its bans.
func (s ACLSummary) ordinary() bool {
	return s.Unclaimed == 0 && s.Shadowed == 0 && s.overruling.Number == 0
}

func (t *textWriter) summary(sum Summary) {
	t.printf("Active bans: %d. Enforced:", sum.Active)
	sep := " "
	for _, id := range slices.Sorted(maps.Keys(sum.NACL)) {
		for _, f := range observed.Families {
			s := sum.NACL[id][f]
			t.printf("%s%s %s %d of %d slots", sep, id, f, s.Enforced, s.Capacity)
			sep = "; "
		}
	}
	t.printf("%shost %d.\n", sep, sum.Host.Enforced)
}

// strangers counts the entries that take up room and are not bans of ours at work.
func (t *textWriter) strangers(sum Summary) {
	for _, id := range slices.Sorted(maps.Keys(sum.NACL)) {
		for _, f := range observed.Families {
			s := sum.NACL[id][f]
			if !s.ordinary() {
				t.printf("Other entries of %s %s: %d foreign, %d unclaimed, %d of ours overruled.\n", id, f, s.Foreign, s.Unclaimed, s.Shadowed)
			}
		}
	}
}

func (t *textWriter) notes(skipped []desired.LineError, warnings []string) {
	for _, bad := range skipped {
		t.printf("%s %s\n", t.paint(color.FgYellow, "skipped:"), plain(bad.Error()))
	}
	for _, words := range warnings {
		t.printf("%s %s\n", t.paint(color.FgYellow, "warning:"), plain(words))
	}
}
