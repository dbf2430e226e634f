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
	if zone == nil {
		zone = time.Local
	}
	layout := "15:04:05"
	if until.Sub(now) > 20*time.Hour {
		layout = "2006-01-02 15:04"
	}
	return fmt.Sprintf("until %s (in %s)", until.In(zone).Format(layout), Short(until.Sub(now)))
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
