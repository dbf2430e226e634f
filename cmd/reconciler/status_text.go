package main

import (
	"fmt"
	"io"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
	"unicode/utf8"

	"github.com/fatih/color"

	"reconciler/internal/controller"
	"reconciler/internal/plan"
)

// lineWidth is how wide a table may be: what a terminal shows at least.
const lineWidth = 80

// write writes everything for people: what is wrong, the bans, then the figures.
func (s *standing) write(w io.Writer, v selection, style plan.Style) error {
	var b strings.Builder
	b.WriteString(s.head(style) + "\n")
	all := s.Where.Bans()
	jails := jailsOf(all)
	switch bans, more := v.of(all); {
	case len(bans) > 0:
		b.WriteString(s.table(bans, style))
		if more > 0 {
			fmt.Fprintf(&b, "… and %d more; --limit 0 shows all.\n", more)
		}
	case len(jails) > 0:
		fmt.Fprintf(&b, "No bans of the jail %s; jails here: %s.\n", strconv.Quote(v.jail), plan.JailList(jails))
	default:
		b.WriteString("No bans.\n")
	}
	b.WriteString("\n")
	for _, allowed := range s.Allowed() {
		b.WriteString(allowedText(allowed, s.Time) + "\n")
	}
	for _, source := range s.Sources {
		b.WriteString(source.Text(s.Time) + "\n")
	}
	if _, err := io.WriteString(w, b.String()); err != nil {
		return err
	}
	warnings := slices.DeleteFunc(slices.Clone(s.Warnings), func(words string) bool { return slices.Contains(s.front.Reasons, words) })
	return plan.WriteSummary(w, s.Summary, s.Skipped, warnings, style)
}

// head says whether the daemon runs and how it does, and what is wrong.
func (s *standing) head(style plan.Style) string {
	runs, health := s.front.Daemon.text(s.Time, style), s.front.Health
	if !s.front.Daemon.Running {
		runs = style.Paint(color.FgRed, runs)
	}
	switch health {
	case controller.HealthDegraded:
		health = style.Paint(color.FgRed, health)
	case controller.HealthPaused:
		health = style.Paint(color.FgYellow, health)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "Daemon: %s. Health: %s.\n", runs, health)
	for _, reason := range s.front.Reasons[:s.front.ours] {
		if reason != s.front.Daemon.idle() { // the first line says it
			fmt.Fprintf(&b, "%s %s\n", style.Paint(color.FgRed, "!"), printable(reason))
		}
	}
	return b.String()
}

func jailsOf(bans []plan.BanStatus) []string {
	names := map[string]bool{}
	for _, b := range bans {
		for _, jail := range b.Jails {
			names[jail] = true
		}
	}
	return slices.Sorted(maps.Keys(names))
}

// table writes a line a ban, shorter where that is needed to fit.
func (s *standing) table(bans []plan.BanStatus, style plan.Style) string {
	var rows [][]string
	for level := range levels {
		rows = rows[:0]
		for _, b := range bans {
			end := ends(b.Until, s.Time, style.Zone)
			if level > 1 {
				end = strings.TrimPrefix(end, "until ")
			}
			rows = append(rows, []string{b.Prefix.String(), plan.JailList(b.Jails), end, places(b.EnforcedBy, level)})
		}
		rows = slices.Insert(rows, 0, []string{"PREFIX", "JAILS", "ENDS", "ENFORCED BY"})
		if roomForJails(rows) >= min(fairJails, widest(rows, 1)) {
			break
		}
	}
	for _, row := range rows {
		row[1] = shortened(row[1], max(leastJails, roomForJails(rows)))
	}
	return coloured(aligned(rows), style)
}

// How much of a ban's jails is worth a shorter word elsewhere, and how much is
// shown at least.
const (
	fairJails  = 16
	leastJails = 8
)

// roomForJails returns what the other columns leave of a line.
func roomForJails(rows [][]string) int {
	const between = 2
	return lineWidth - widest(rows, 0) - widest(rows, 2) - widest(rows, 3) - 3*between
}

// ends says in few words when a ban ends.
func ends(until, now time.Time, zone *time.Location) string {
	if zone == nil {
		zone = time.Local
	}
	until = until.In(zone)
	switch left := until.Sub(now); {
	case until.IsZero():
		return "permanent"
	case left < 20*time.Hour:
		return until.Format("until 15:04:05")
	case left < 300*24*time.Hour:
		return until.Format("until Jan _2 15:04")
	}
	return until.Format("until 2006-01-02")
}

// coloured paints what is enforced by nobody.
func coloured(table string, style plan.Style) string {
	if !style.Color {
		return table
	}
	lines := strings.SplitAfter(table, "\n")
	for i, line := range lines {
		if rest, ok := strings.CutSuffix(line, nobody+"\n"); ok && i > 0 {
			lines[i] = rest + style.Paint(color.FgRed, nobody) + "\n"
		}
	}
	return strings.Join(lines, "")
}

func widest(rows [][]string, column int) int {
	width := 0
	for _, row := range rows {
		width = max(width, utf8.RuneCountInString(row[column]))
	}
	return width
}

func shortened(text string, width int) string {
	if utf8.RuneCountInString(text) <= width {
		return text
	}
	return string([]rune(text)[:width-1]) + "…"
}

const nobody = "nobody"

// levels are the ways to write a line, from the longest to the shortest.
const levels = 4

// places names who enforces a ban: in full, with short IDs, or ACLs as a number.
func places(enforcedBy []string, level int) string {
	var names []string
	acls := 0
	for _, place := range enforcedBy {
		id, rule, isACL := strings.Cut(place, "#")
		switch {
		case !isACL || level == 0:
			names = append(names, place)
		case level < levels-1:
			names = append(names, "acl-…"+id[max(0, len(id)-4):]+"#"+rule)
		default:
			acls++
		}
	}
	if acls > 0 {
		names = slices.Insert(names, 0, plan.Count(acls, "ACL", "ACLs"))
	}
	if len(names) == 0 {
		return nobody
	}
	return strings.Join(names, ", ")
}

// aligned writes rows in columns.
func aligned(rows [][]string) string {
	var b strings.Builder
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, row := range rows {
		fmt.Fprintln(t, strings.Join(row, "\t")) //nolint:errcheck // a builder takes everything
	}
	t.Flush() //nolint:errcheck // as above
	return b.String()
}

// writePrefix says why a prefix is blocked or not, and who has asked for it.
func (s *standing) writePrefix(w io.Writer, p netip.Prefix, claims []controller.Claim, style plan.Style) error {
	var b strings.Builder
	if s.front.Health != controller.HealthOK {
		b.WriteString(s.head(style) + "\n")
	}
	for _, line := range s.Where.Explain(p, style.Zone) {
		b.WriteString(line + "\n")
	}
	if len(claims) > 0 {
		b.WriteString("\n" + s.claims(claims, style))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// claims writes a line for each that has asked for a ban.
func (s *standing) claims(claims []controller.Claim, style plan.Style) string {
	rows := [][]string{{"PREFIX", "JAIL", "HOST", "SINCE", "ENDS", "REASON"}}
	for _, c := range claims {
		since := plan.Moment(c.From, s.Time, style.Zone)
		rows = append(rows, []string{c.Prefix.String(), plan.Plain(c.Jail), plan.Plain(c.Host), since, ends(c.Until, s.Time, style.Zone), plan.Plain(c.Reason)})
	}
	return strings.ReplaceAll(aligned(rows), " \n", "\n")
}
