package plan

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Describe gives a change in one line for a log.
func Describe(c Change) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s", c.Target, c.Action)
	if c.Rule != 0 {
		fmt.Fprintf(&b, " rule %d", c.Rule)
	}
	for _, p := range []netip.Prefix{c.Old, c.Prefix} {
		if p.IsValid() {
			fmt.Fprintf(&b, " %s", p)
		}
	}
	return b.String()
}

// EndText says when a ban ends: the local time and how long that is from now.
func EndText(until, now time.Time, zone *time.Location) string {
	if until.IsZero() {
		return "permanent"
	}
	return fmt.Sprintf("until %s (in %s)", Moment(until, now, zone), Short(until.Sub(now)))
}

// Moment writes a time as the reader's clock has it, with the day where the hour
// does not say it.
func Moment(at, now time.Time, zone *time.Location) string {
	if zone == nil {
		zone = time.Local
	}
	if at.Sub(now).Abs() > 20*time.Hour {
		return at.In(zone).Format("2006-01-02 15:04")
	}
	return at.In(zone).Format("15:04:05")
}

// Short writes a duration in its two greatest units at most: 45s, 12m, 3h5m, 2d4h.
func Short(d time.Duration) string {
	d = d.Round(time.Second)
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%dm", int(d.Minutes()))
	case d < 24*time.Hour:
		return fmt.Sprintf("%dh%dm", int(d.Hours()), int(d.Minutes())%60)
	}
	return fmt.Sprintf("%dd%dh", int(d.Hours())/24, int(d.Hours())%24)
}

// JailList returns names of jails for a column of text, safe for a terminal: the
// site may call its jails anything.
func JailList(jails []string) string { return plain(strings.Join(jails, ",")) }

// Plain escapes everything in a text that could steer a terminal.
func Plain(text string) string { return plain(text) }

// plain escapes everything in a text that could steer a terminal, break a line
// or turn its direction. Words may quote what a program or an attacker wrote.
func plain(text string) string {
	hidden := func(r rune) bool { return !strconv.IsPrint(r) }
	if utf8.ValidString(text) && !strings.ContainsFunc(text, hidden) {
		return text
	}
	quoted := strconv.Quote(text)
	return strings.ReplaceAll(quoted[1:len(quoted)-1], `\"`, `"`)
}

// Count writes a number with its noun: "1 ban", "2 bans".
func Count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

func them(n int) string {
	if n == 1 {
		return "it"
	}
	return "them"
}
