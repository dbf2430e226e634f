package controller

import (
	"context"
	"errors"
	"time"

	"reconciler/internal/desired"
	"reconciler/internal/observed"
	"reconciler/internal/plan"
)

// Status is a look at everything, without changing anything.
type Status struct {
	Time     time.Time
	State    observed.State
	Where    plan.Whereabouts
	Summary  plan.Summary
	Sources  []Source
	Skipped  []desired.LineError
	Warnings []string
	Paused   bool
	Withheld int      // removals that no record explains
	Unknown  []string // sources of which not all is known

	want   *plan.Want
	limits plan.Limits
}

// Status observes every target. The error names what could not be observed;
// the rest stands.
func (l *Loop) Status(ctx context.Context) (Status, error) {
	l.Store.Sync(ctx)
	_, refreshErr := l.Store.Refresh(l.Now())
	state, err := l.Observe(ctx)
	now, limits := l.Now(), l.Limits()
	limits.Idle = l.Idle
	set := l.Store.Set(now)
	want := plan.Prepare(set, limits)
	s := Status{Time: now, State: state, Sources: l.Store.Sources(now), Skipped: set.Bad, Paused: set.Paused, Unknown: set.Unknown, want: want, limits: limits}
	s.Where = plan.Locate(want, state, limits, now)
	s.Summary, s.Warnings = plan.Examine(want, state, limits, now)
	held := plan.Compute(set, state, limits, now).Withheld
	if s.Withheld = len(held); s.Withheld > 0 {
		words := "removals that no record explains are withheld; see `reconciler plan`"
		if plan.Unnamed(held) {
			words = plan.Advice(held)
		}
		s.Warnings = append(s.Warnings, "degraded: "+words)
	}
	s.Warnings = l.warnings(s.Warnings, state)
	return s, errors.Join(refreshErr, err)
}

// Guarding tells which ACLs do nothing for this host, and which count as its
// own without a proof.
func (s Status) Guarding() (idle []string, believed string) {
	return plan.Guarding(s.State.ACLs, s.limits), plan.Believed(s.State.ACLs, s.limits)
}

// Shared reports whether somebody else was seen to write into our window.
func (s Status) Shared(acl string) bool { return s.limits.Shared[acl] }

// Allowed gives what an operator keeps from being banned, sorted by prefix.
func (s Status) Allowed() []desired.Allowed { return s.want.Set().Allowed }

// Wanted gives every ban that the sources ask for, refused ones included,
// sorted by prefix.
func (s Status) Wanted() []desired.Ban { return s.want.Set().Bans }

// Stopped gives the jails that have stopped and left bans in force.
func (s Status) Stopped() []desired.StoppedJail { return s.want.Set().Stopped }

// NoHost reports that no firewall of this host takes part.
func (s Status) NoHost() bool { return s.limits.NoHost }

// Owners says whose each entry of an ACL is, in their order.
func (s Status) Owners(acl observed.ACL) []observed.Owner {
	return plan.Owners(s.want, acl, s.limits)
}
