package controller

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"reconciler/internal/apply"
	"reconciler/internal/observed"
	"reconciler/internal/plan"
)

// What a health can be.
const (
	HealthOK       = "ok"
	HealthDegraded = "degraded"
	HealthPaused   = "paused"
)

// Health is how a daemon does, and what it knows that a look does not show.
type Health struct {
	State   string               `json:"state"`
	Reasons []string             `json:"reasons"` // why it is not ok
	ACLs    map[string]Hindrance `json:"acls"`
}

// Hindrance is what AWS has refused the daemon at one ACL.
type Hindrance struct {
	Denied  map[string]string       `json:"denied,omitempty"`  // by action, in words
	Refused map[netip.Prefix]string `json:"refused,omitempty"` // by ban, in words
}

// healthOf judges by what the targets have reported and by what else is in trouble.
func (l *Loop) healthOf(state observed.State, reports []report, paused bool) Health {
	h := Health{ACLs: map[string]Hindrance{}, Reasons: []string{}}
	for _, acl := range state.ACLs {
		if len(acl.Denied)+len(acl.Refused) > 0 {
			h.ACLs[acl.ID] = Hindrance{Denied: acl.Denied, Refused: acl.Refused}
		}
		for _, action := range slices.Sorted(maps.Keys(acl.Denied)) {
			h.Reasons = append(h.Reasons, acl.Denied[action])
		}
	}
	denied := func(r report) bool { return len(h.ACLs[r.target].Denied) > 0 && apply.Unpermitted(r.err) }
	h.Reasons = append(h.Reasons, l.tell.ails(reports, denied)...)
	h.State = stateOf(h.Reasons, paused)
	return h
}

func stateOf(reasons []string, paused bool) string {
	switch {
	case paused:
		return HealthPaused
	case len(reasons) > 0:
		return HealthDegraded
	}
	return HealthOK
}

// ails says what is wrong: with the state and the search for the ACLs, and with
// each target, unless that is told already.
func (t *teller) ails(reports []report, told func(report) bool) []string {
	out := []string{}
	for _, subject := range []string{configuring, reading, saving, finding} {
		if words := t.ailing[subject]; words != "" {
			out = append(out, words)
		}
	}
	if len(t.unknown) > 0 {
		out = append(out, "not all is known of what is to be banned: "+strings.Join(t.unknown, ", "))
	}
	for _, r := range reports {
		if r.err != nil && !told(r) {
			out = append(out, about(r.target, printable(r.err)))
		}
		if n := len(r.withheld); n > 0 {
			out = append(out, fmt.Sprintf("%s: %s withheld; see `reconciler plan`", r.target, plan.Count(n, "removal that no record explains is", "removals that no record explains are")))
		}
	}
	return out
}

// about names the target before words that do not.
func about(target, words string) string {
	if strings.Contains(words, target) {
		return words
	}
	return target + ": " + words
}

// Health returns how the loop did when that last changed; nil: it has done
// nothing yet. Anybody may call it at any time.
func (l *Loop) Health() *Health { return l.health.Load() }
