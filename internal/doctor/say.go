package doctor

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"reconciler/internal/plan"
)

func (e *examination) ok(check, format string, args ...any) {
	e.findings = append(e.findings, Finding{Check: check, Level: OK, Says: fmt.Sprintf(format, args...)})
}

func (e *examination) warn(check, mend, format string, args ...any) {
	e.findings = append(e.findings, Finding{Check: check, Level: Warning, Says: fmt.Sprintf(format, args...), Mend: mend})
}

func (e *examination) fail(check, mend, format string, args ...any) {
	e.findings = append(e.findings, Finding{Check: check, Level: Failure, Says: fmt.Sprintf(format, args...), Mend: mend})
}

// WriteText writes a line a finding, and below a defect the mend.
func WriteText(w io.Writer, findings []Finding) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, f := range findings {
		fmt.Fprintf(t, "%s\t%s\t%s\n", f.Level, f.Check, printable(f.Says)) //nolint:errcheck // Flush tells
		if f.Mend != "" {
			fmt.Fprintf(t, "\t\t  fix: %s\n", printable(f.Mend)) //nolint:errcheck // Flush tells
		}
	}
	if err := t.Flush(); err != nil {
		return fmt.Errorf("writing the findings: %w", err)
	}
	return nil
}

// MarshalJSON writes what mends a finding under its old name as well.
func (f Finding) MarshalJSON() ([]byte, error) {
	type plain Finding
	return json.Marshal(struct {
		plain
		Fix string `json:"fix,omitempty"`
	}{plain(f), f.Mend})
}

// WriteJSON writes the findings as one object.
func WriteJSON(w io.Writer, findings []Finding, version string, now time.Time) error {
	if findings == nil {
		findings = []Finding{}
	}
	text, err := json.MarshalIndent(map[string]any{
		"version": version, "format": plan.Format, "time": now.UTC().Truncate(time.Second), "status": Worst(findings), "checks": findings,
	}, "", "  ")
	if err == nil {
		_, err = w.Write(append(plan.EscapeHidden(text), '\n'))
	}
	if err != nil {
		return fmt.Errorf("writing the findings: %w", err)
	}
	return nil
}

// printable gives foreign text in one line, without what a terminal would obey.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return ' '
		case !unicode.IsPrint(r):
			return unicode.ReplacementChar
		}
		return r
	}, text)
}
