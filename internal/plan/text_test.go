package plan

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"reconciler/internal/desired"
	"reconciler/internal/observed"
)

// shown is a report with a change of every kind.
func shown() Report {
	return ReportOf(Plan{
		Time: start,
		Changes: []Change{
			{Target: HostTarget, Action: Repair, Why: "the jump is missing"},
			{Target: HostTarget, Action: Add, Prefix: pfx("203.0.113.7/32"), Until: start.Add(12 * time.Minute), Jails: []string{"sshd", "web"}, Why: "new ban"},
			{Target: HostTarget, Action: Refresh, Prefix: pfx("2001:db8::/64"), Jails: []string{"sshd"}, Why: "prolonged"},
			{
				Target: "acl-0123", Action: Replace, Rule: 2, Prefix: pfx("203.0.113.7/32"), Old: pfx("198.51.100.9/32"), Until: start.Add(12 * time.Minute),
				Jails: []string{"sshd", "web"}, Reason: desired.Expired, Why: "expired; slot reused",
			},
			{Target: "acl-0123", Action: Create, Rule: 4, Prefix: pfx("2001:db8::/64"), Jails: []string{"sshd"}, Why: "new ban"},
			{Target: "acl-0123", Action: Delete, Rule: 17, Old: pfx("198.51.100.8/32"), Reason: desired.Unbanned, Why: "unbanned"},
			{Target: HostTarget, Action: Remove, Prefix: pfx("198.51.100.8/32"), Until: start.Add(49 * time.Hour), Reason: desired.Unbanned, Why: "unbanned"},
		},
		Withheld: []Change{{Target: HostTarget, Action: Remove, Prefix: pfx("198.51.100.1/32"), Why: "withheld: no record says why it should go"}},
		Summary: Summary{Active: 2, Host: HostSummary{Enforced: 2}, NACL: map[string]map[observed.Family]ACLSummary{
			"acl-0123": {observed.IPv4: {Enforced: 1, Capacity: 18, Foreign: 1}, observed.IPv6: {Enforced: 1, Capacity: 19}},
		}},
		Skipped:  []desired.LineError{{Source: "/var/lib/reconciler/bans.jsonl", Line: 7, Err: errors.New("no op")}},
		Warnings: []string{"the log is shorter than its snapshot"},
	})
}

const plainText = `host
  ~ repair  the jump is missing
  + add        203.0.113.7/32   until 12:12:00 (in 12m)           sshd,web  new ban
  ~ refresh    2001:db8::/64    permanent                         sshd      prolonged
  - remove     198.51.100.8/32  until 2026-09-27 13:00 (in 2d1h)            unbanned

acl-0123
  ~ replace  rule 2   198.51.100.9/32 -> 203.0.113.7/32  until 12:12:00 (in 12m)  sshd,web  expired; slot reused
  + create   rule 4   2001:db8::/64                      permanent                sshd      new ban
  - delete   rule 17  198.51.100.8/32                                                       unbanned

Withheld: 1 removal that no record explains
  ? host 198.51.100.1/32
  ` + "`reconciler confirm`" + ` or --force lets them through.

Plan: 1 to create, 1 to replace, 1 to delete, 1 to repair, 1 to add, 1 to refresh, 1 to remove.
Active bans: 2. Enforced: acl-0123 ipv4 1 of 18 slots; acl-0123 ipv6 1 of 19 slots; host 2.
skipped: /var/lib/reconciler/bans.jsonl:7: no op
warning: the log is shorter than its snapshot
`

func text(t *testing.T, r Report, style Style) string {
	t.Helper()
	var b bytes.Buffer
	if err := WriteText(&b, r, style); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestTextShowsAPlan(t *testing.T) {
	if diff := cmp.Diff(plainText, text(t, shown(), Style{Zone: time.UTC})); diff != "" {
		t.Errorf("the text is not as expected (-want +got):\n%s", diff)
	}
}

func TestColourTouchesOnlySignsAndHeads(t *testing.T) {
	coloured := text(t, shown(), Style{Zone: time.UTC, Color: true})
	for _, want := range []string{"\x1b[1macl-0123\x1b[", "\x1b[32m+\x1b[", "\x1b[31m-\x1b[", "\x1b[33m~\x1b[", "\x1b[33mwarning:\x1b[", "\x1b[33mskipped:\x1b["} {
		if !strings.Contains(coloured, want) {
			t.Errorf("the text has no %q", want)
		}
	}
	var bare strings.Builder
	for rest := coloured; rest != ""; {
		before, after, found := strings.Cut(rest, "\x1b[")
		bare.WriteString(before)
		if _, rest, _ = strings.Cut(after, "m"); !found {
			break
		}
	}
	if diff := cmp.Diff(text(t, shown(), Style{Zone: time.UTC}), bare.String()); diff != "" {
		t.Errorf("without its colours the text differs:\n%s", diff)
	}
}

func TestTextShowsWhatBecameOfAnApply(t *testing.T) {
	r := shown()
	r.Applied, r.Withheld = true, nil
	for i := range r.Outcomes {
		r.Outcomes[i].Done = true
	}
	r.Outcomes[4].Err = errors.Join(errors.New("throttled"), errors.New("second line"))
	got := text(t, r, Style{Zone: time.UTC})
	for _, want := range []string{
		"  ! create   rule 4", `new ban: FAILED: throttled\nsecond line`,
		"Applied: 1 create, 1 replace, 1 delete, 1 repair, 1 add, 1 refresh, 1 remove; 6 ok, 1 failed.",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("the text has no %q:\n%s", want, got)
		}
	}
}

func TestTextSaysWhenThereIsNothingToDo(t *testing.T) {
	if got := text(t, ReportOf(Plan{Time: start}), Style{}); !strings.HasPrefix(got, "No changes: what is enforced is what the state asks for.\n") {
		t.Errorf("the text is %q", got)
	}
}

func TestTextShortensALongListOfWithheldRemovals(t *testing.T) {
	r := shown()
	for range 11 {
		r.Withheld = append(r.Withheld, r.Withheld[0])
	}
	if got := text(t, r, Style{}); strings.Count(got, "  ? ") != 10 || !strings.Contains(got, "and 2 more") {
		t.Errorf("the text is %q", got)
	}
}

// hostile is text that would steer a terminal: colour, title, C1 controls,
// line breaks and a change of direction.
const hostile = "\x1b[31m\x1b]0;title\x07\u009b2J\r\n\tnext\x7f\u202egpj.exe\xff"

func TestNoControlByteReachesATerminal(t *testing.T) {
	r := shown()
	r.Outcomes[0].Why, r.Outcomes[1].Jails, r.Outcomes[2].Err = hostile, []string{hostile}, errors.New(hostile)
	r.Outcomes[3].Target = "acl-" + hostile
	r.Withheld[0].Target = hostile
	r.Warnings = []string{hostile}
	r.Skipped[0] = desired.LineError{Source: hostile, Line: 1, Err: errors.New(hostile)}
	for name, got := range map[string]string{"text": text(t, r, Style{}), "JSON": string(jsonText(t, r))} {
		for _, c := range got {
			if c != '\n' && (c < ' ' || c >= 0x7f && c < 0xa0 || c == '\u202e') {
				t.Errorf("the %s has the control %U", name, c)
			}
		}
		if !strings.Contains(got, "next") {
			t.Errorf("the %s has lost the words themselves", name)
		}
	}
	if n, want := strings.Count(text(t, r, Style{}), "\n"), strings.Count(plainText, "\n"); n != want+2 { // a third target has a head and a blank line of its own
		t.Errorf("the text has %d lines, not %d", n, want+3)
	}
}

func TestEndsAreLocalAndTellHowLong(t *testing.T) {
	berlin := time.FixedZone("CEST", 2*3600)
	for _, c := range []struct {
		until time.Time
		want  string
	}{
		{time.Time{}, "permanent"},
		{start.Add(12 * time.Minute), "until 14:12:00 (in 12m)"},
		{start.Add(19 * time.Hour), "until 09:00:00 (in 19h0m)"},
		{start.Add(52 * time.Hour), "until 2026-09-27 18:00 (in 2d4h)"},
	} {
		if got := EndText(c.until, start, berlin); got != c.want {
			t.Errorf("%q, not %q", got, c.want)
		}
	}
}

func TestDurationsHaveTwoUnitsAtMost(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0s", 45 * time.Second: "45s", 59*time.Second + 600*time.Millisecond: "1m", 12*time.Minute + 30*time.Second: "12m",
		3*time.Hour + 5*time.Minute: "3h5m", 52 * time.Hour: "2d4h", -5 * time.Second: "-5s",
	} {
		if got := Short(d); got != want {
			t.Errorf("%v is written %q, not %q", d, got, want)
		}
	}
}

type brokenPipe struct{}

var errPipe = errors.New("broken pipe")

func (brokenPipe) Write([]byte) (int, error) { return 0, errPipe }

func TestAFailingWriterIsReported(t *testing.T) {
	if err := WriteText(brokenPipe{}, shown(), Style{}); !errors.Is(err, errPipe) {
		t.Errorf("WriteText gives %v", err)
	}
	if err := WriteJSON(brokenPipe{}, shown()); !errors.Is(err, errPipe) {
		t.Errorf("WriteJSON gives %v", err)
	}
}
