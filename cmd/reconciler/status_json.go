package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
	"time"

	"reconciler/internal/controller"
	"reconciler/internal/plan"
)

// header begins every JSON object that a command writes.
type header struct {
	Version string    `json:"version"` // of the program
	Format  int       `json:"format"`
	Time    time.Time `json:"time"`
}

func headerAt(t time.Time) header {
	return header{Version: version, Format: plan.Format, Time: t.UTC().Truncate(time.Second)}
}

type statusBan struct {
	Prefix     string   `json:"prefix"`
	Jails      []string `json:"jails"`
	Until      plan.End `json:"until"`
	EnforcedBy []string `json:"enforced_by"`
}

type statusClaim struct {
	Prefix   string   `json:"prefix"`
	Jail     string   `json:"jail"`
	Host     string   `json:"host"`
	Since    plan.End `json:"since"`
	Until    plan.End `json:"until"`
	Reason   string   `json:"reason"`
	BanCount int      `json:"bancount,omitempty"`
	Source   string   `json:"source"`
}

type statusReport struct {
	header
	front
	Bans     []statusBan         `json:"bans"`
	Allowed  []statusAllowed     `json:"allowed"`
	Summary  plan.Summary        `json:"summary"`
	Sources  []controller.Source `json:"sources"`
	Warnings []string            `json:"warnings"`
}

type prefixReport struct {
	header
	front
	Prefix      string        `json:"prefix"`
	EnforcedBy  []string      `json:"enforced_by"`
	Bans        []statusBan   `json:"bans"`
	Claims      []statusClaim `json:"claims"`
	Explanation []string      `json:"explanation"`
	Warnings    []string      `json:"warnings"`
}

func (s *standing) writeJSON(w io.Writer, v selection) error {
	bans, _ := v.of(s.Where.Bans())
	return writeJSON(w, statusReport{
		header: headerAt(s.Time), front: s.front, Bans: jsonBans(bans), Allowed: allowedJSON(s.Allowed()), Summary: s.Summary,
		Sources: filled(s.Sources), Warnings: filled(s.Warnings),
	})
}

func (s *standing) writePrefixJSON(w io.Writer, p netip.Prefix, claims []controller.Claim) error {
	r := prefixReport{
		header: headerAt(s.Time), front: s.front, Prefix: p.String(), EnforcedBy: s.Where.Of(p),
		Bans: jsonBans(s.bansOn(p)), Claims: []statusClaim{}, Explanation: filled(s.Where.Explain(p, nil)), Warnings: filled(s.Warnings),
	}
	for _, c := range claims {
		r.Claims = append(r.Claims, statusClaim{
			Prefix: c.Prefix.String(), Jail: c.Jail, Host: c.Host, Since: plan.End(c.From), Until: plan.End(c.Until),
			Reason: c.Reason, BanCount: c.BanCount, Source: c.Source,
		})
	}
	return writeJSON(w, r)
}

func jsonBans(bans []plan.BanStatus) []statusBan {
	out := []statusBan{}
	for _, b := range bans {
		out = append(out, statusBan{Prefix: b.Prefix.String(), Jails: b.Jails, Until: plan.End(b.Until), EnforcedBy: b.EnforcedBy})
	}
	return out
}

// filled makes no list an empty one: JSON has no null where a list is promised.
func filled[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

// writeJSON writes an object with what a terminal may obey escaped.
func writeJSON(w io.Writer, v any) error {
	text, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return fmt.Errorf("forming the report: %w", err)
	}
	_, err = w.Write(append(plan.EscapeHidden(text), '\n'))
	return err
}
