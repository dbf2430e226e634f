package plan

import (
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
	"strconv"
	"time"
	"unicode/utf16"
	"unicode/utf8"
)

// Outcome is a change and, after an apply, what became of it.
type Outcome struct {
	Change
	Done bool  // an apply has tried it
	Err  error // why it failed
}

// Report is what the renderers show: a plan alone, or one that was applied.
type Report struct {
	Plan
	Version  string // of the program
	Applied  bool
	Partial  bool      // some target could not be read, so there may be more to change
	Outcomes []Outcome // the changes that were tried; when not applied, those of the plan
}

// ReportOf makes the report of a plan that nobody has applied.
func ReportOf(p Plan) Report {
	r := Report{Plan: p}
	for _, c := range p.Changes {
		r.Outcomes = append(r.Outcomes, Outcome{Change: c})
	}
	return r
}

// Failed counts the changes that were tried and failed.
func (r Report) Failed() int {
	n := 0
	for _, o := range r.Outcomes {
		if o.Err != nil {
			n++
		}
	}
	return n
}

// End is a ban's end in JSON: RFC 3339, or null for a permanent ban.
type End time.Time

// MarshalJSON writes the end.
func (e End) MarshalJSON() ([]byte, error) {
	t := time.Time(e)
	if t.IsZero() {
		return []byte("null"), nil
	}
	return json.Marshal(t.UTC().Truncate(time.Second))
}

type jsonChange struct {
	Target string   `json:"target"`
	Action Action   `json:"action"`
	Rule   int      `json:"rule,omitempty"`
	Prefix string   `json:"prefix,omitempty"`
	Old    string   `json:"old,omitempty"`
	Until  *End     `json:"until,omitempty"`
	Jails  []string `json:"jails,omitempty"`
	Why    string   `json:"why"`
	Result string   `json:"result,omitempty"`
	Error  string   `json:"error,omitempty"`
}

type jsonSkipped struct {
	Source string `json:"source"`
	Line   int    `json:"line"`
	Error  string `json:"error"`
}

// Format is the number of the form of all JSON output. Within one number fields
// are only added.
const Format = 1

type jsonReport struct {
	Version  string        `json:"version,omitempty"`
	Format   int           `json:"format,omitempty"`
	Time     time.Time     `json:"time"`
	Changes  []jsonChange  `json:"changes"`
	Withheld []jsonChange  `json:"withheld"`
	Summary  Summary       `json:"summary"`
	Skipped  []jsonSkipped `json:"skipped"`
	Warnings []string      `json:"warnings"`
}

// WriteJSON writes a report in the form that `plan -o json` and
// `apply -o json` promise.
func WriteJSON(w io.Writer, r Report) error {
	out := jsonReport{
		Time: r.Time.UTC().Truncate(time.Second), Changes: []jsonChange{}, Withheld: []jsonChange{},
		Summary: r.Summary, Skipped: []jsonSkipped{}, Warnings: r.Warnings,
	}
	if r.Version != "" {
		out.Version, out.Format = r.Version, Format
	}
	if out.Warnings == nil {
		out.Warnings = []string{}
	}
	for _, o := range r.Outcomes {
		out.Changes = append(out.Changes, jsonOf(o))
	}
	for _, c := range r.Withheld {
		out.Withheld = append(out.Withheld, jsonOf(Outcome{Change: c}))
	}
	for _, bad := range r.Skipped {
		out.Skipped = append(out.Skipped, jsonSkipped{Source: bad.Source, Line: bad.Line, Error: bad.Err.Error()})
	}
	text, err := json.MarshalIndent(out, "", "  ")
	if err != nil {
		return fmt.Errorf("forming the report: %w", err)
	}
	if _, err := w.Write(append(EscapeHidden(text), '\n')); err != nil {
		return fmt.Errorf("writing the report: %w", err)
	}
	return nil
}

// EscapeHidden escapes what encoding/json leaves as it is and a terminal may
// obey: DEL, the C1 controls and marks of direction. In JSON they occur inside
// strings alone.
func EscapeHidden(text []byte) []byte {
	out := make([]byte, 0, len(text)+1)
	for _, r := range string(text) {
		if r == '\n' || strconv.IsPrint(r) {
			out = utf8.AppendRune(out, r)
			continue
		}
		for _, unit := range utf16.AppendRune(nil, r) {
			out = fmt.Appendf(out, `\u%04x`, unit)
		}
	}
	return out
}

func jsonOf(o Outcome) jsonChange {
	c := jsonChange{
		Target: o.Target, Action: o.Action, Rule: o.Rule, Prefix: prefixText(o.Prefix), Old: prefixText(o.Old),
		Jails: o.Jails, Why: o.Why,
	}
	if o.Action != Delete && o.Prefix.IsValid() {
		end := End(o.Until)
		c.Until = &end
	}
	if o.Done {
		c.Result = "ok"
		if o.Err != nil {
			c.Result, c.Error = "failed", o.Err.Error()
		}
	}
	return c
}

func prefixText(p netip.Prefix) string {
	if !p.IsValid() {
		return ""
	}
	return p.String()
}
