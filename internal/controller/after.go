package controller

import (
	"context"
	"errors"
	"strings"

	"reconciler/internal/config"
	"reconciler/internal/desired"
	"reconciler/internal/observed"
	"reconciler/internal/plan"
)

// after draws the consequences of a cycle: who has to look again because of
// it, what can be forgotten, and what is worth a line.
func (l *Loop) after(ctx context.Context, r report) {
	l.tell.cycle(r)
	l.showCycle(r)
	if l.Config.NACL[0] == config.NACLAuto && (errors.Is(r.err, observed.ErrACLNotFound) || r.read && l.astray()) {
		select {
		case l.again <- struct{}{}:
		default:
		}
	}
	if r.target == plan.HostTarget {
		l.announce()
		if r.err == nil {
			l.removeRetired(ctx)
		}
		if l.board.caughtUp(plan.HostTarget, l.board.current().number) {
			l.grace = nil
		}
		l.pokeACLs()
	} else if l.host != nil && len(r.results) > 0 && l.limits.HostMode == plan.HostOverflow {
		l.host.poke()
	}
	l.forget()
	if len(l.retiring) > 0 && l.inOrder() {
		l.keep(ctx, l.retireOld())
		l.refresh(true)
	}
	l.retire()
	if l.stirs(r) {
		l.tellState()
	}
}

// stirs says that a report may change the summary. It does not when the target
// carried out the order of before again, from the picture that it had, and
// found nothing to do.
func (l *Loop) stirs(r report) bool {
	last := l.heard[r.target]
	l.heard[r.target] = r
	return r.read || r.number != last.number || len(r.results) > 0 || r.err != nil || last.err != nil
}

// tellState logs the summary when it has changed, and tells systemd.
func (l *Loop) tellState() {
	order := l.board.current()
	if order.want == nil {
		return
	}
	state := l.board.state()
	l.tell.once("the edge", strings.Join(plan.Guarding(state.ACLs, order.limits), "; "))
	l.tell.once("the subnets", plan.Believed(state.ACLs, order.limits))
	summary := plan.Summarise(order.want, state, l.summaryLimits(order.limits), l.Now())
	health := l.healthOf(state, l.board.latest(), l.set.Paused)
	l.health.Store(&health)
	l.Notify("STATUS=" + l.tell.state(summary, health))
}

// announce tells systemd once that the first order has reached the host. A host
// that fails is in the status; it must not hold up the boot.
func (l *Loop) announce() {
	if !l.ready {
		l.Notify("READY=1")
		l.ready = true
	}
}

// Turns says that the loop has turned since the last call.
func (l *Loop) Turns() bool {
	turns := l.turns.Load()
	defer func() { l.seen = turns }()
	return turns != l.seen
}

// removeRetired takes an old chain away once the new one stands.
func (l *Loop) removeRetired(ctx context.Context) {
	if l.Retired == nil {
		return
	}
	c := plan.Change{Target: plan.HostTarget, Action: plan.Remove, Reason: desired.Config, Why: "the configuration names another chain or back end"}
	results, err := l.Retired.Apply(ctx, []plan.Change{c})
	for _, r := range results {
		err = errors.Join(err, r.Err)
	}
	l.tell.trouble("the old chain", err)
	if err == nil {
		l.tell.change(result{change: c})
		l.Retired = nil
	}
}

// summaryLimits adds what each ACL's records say, for counting.
func (l *Loop) summaryLimits(limits plan.Limits) plan.Limits {
	limits.Usages, limits.Shared = l.Store.Usages(), l.Store.Shared(l.Now())
	return limits
}
