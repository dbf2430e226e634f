package controller

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"reconciler/internal/apply"
	"reconciler/internal/desired"
	"reconciler/internal/observed"
	"reconciler/internal/plan"
)

// Observe reads every target once. Targets that cannot be read are absent from
// the state; the error names each of them.
func (l *Loop) Observe(ctx context.Context) (observed.State, error) {
	l.init()
	var s observed.State
	var problems []error
	if l.Host != nil {
		host, err := l.Host.Read(ctx, l.Now())
		if err != nil {
			problems = append(problems, fmt.Errorf("reading the host's firewall: %w", err))
		} else {
			s.Host = &host
			problems = append(problems, refused(host))
		}
	}
	acls, err := l.observeACLs(ctx)
	s.ACLs = acls
	return s, errors.Join(append(problems, err)...)
}

func (l *Loop) observeACLs(ctx context.Context) ([]observed.ACL, error) {
	found, err := l.discoverOnce(ctx)
	if err != nil {
		return nil, err
	}
	l.take(found)
	acls, err := l.readACLs(ctx, found.IDs)
	if err != nil {
		return acls, err
	}
	old, err := l.readACLs(ctx, l.retireOld())
	return append(acls, old...), err
}

func (l *Loop) readACLs(ctx context.Context, ids []string) (acls []observed.ACL, err error) {
	var problems []error
	for _, id := range ids {
		if i := slices.IndexFunc(l.found.Pictures, func(a observed.ACL) bool { return a.ID == id }); i >= 0 {
			acls = append(acls, l.found.Pictures[i])
			continue
		}
		acl, err := l.found.reader()(ctx, id, l.Now())
		if err != nil {
			err = apply.Explain(err, "ec2:DescribeNetworkAcls")
			sdkWords(l.Log, id, err)
			if !l.deleted(report{target: id, err: err}) {
				problems = append(problems, err)
			}
			continue
		}
		acls = append(acls, acl)
	}
	for i := range acls {
		l.hinder(&acls[i])
	}
	return acls, errors.Join(problems...)
}

// hinder adds to what was read of an ACL what AWS has refused the daemon there.
func (l *Loop) hinder(acl *observed.ACL) {
	if l.Daemon != nil {
		h := l.Daemon.ACLs[acl.ID]
		acl.Denied, acl.Refused = h.Denied, h.Refused
	}
}

// discoverOnce finds the ACLs; that this machine is not on EC2 is a warning.
func (l *Loop) discoverOnce(ctx context.Context) (Found, error) {
	found, err := l.Cloud.Discover(ctx)
	if errors.Is(err, ErrNoCloud) {
		found.Warning, err = err.Error(), nil
	}
	sdkWords(l.Log, finding, err)
	return found, err
}

// Door returns what meets a ban here before any target does: what the sources want
// already, and the limits with everything that must not be banned. It looks at no
// target and not over the network: what the metadata last said counts.
func (l *Loop) Door() (desired.Set, plan.Limits, error) {
	l.init()
	_, err := l.Store.Refresh(l.Now())
	l.protect()
	return l.Store.Set(l.Now()), l.limits, err
}

// Limits gives the limits in force, once Observe has found the ACLs.
func (l *Loop) Limits() plan.Limits {
	l.protect()
	limits := l.summaryLimits(l.limits)
	limits.Learned = map[string]map[observed.Family]int{}
	for _, id := range limits.ACLs {
		limits.Learned[id] = map[observed.Family]int{}
		for _, f := range observed.Families {
			if learned, ok := l.Store.Learned(id, f); ok && !old(learned, l.Now()) {
				limits.Learned[id][f] = learned.Quota
			}
		}
	}
	return limits
}

// Plan computes what a reconcile would change. The error names what could not
// be observed; the plan stands for all the rest.
func (l *Loop) Plan(ctx context.Context) (plan.Plan, error) {
	l.Store.Sync(ctx)
	_, refreshErr := l.Store.Refresh(l.Now())
	state, err := l.Observe(ctx)
	p := plan.Compute(l.Store.Set(l.Now()), state, l.Limits(), l.Now())
	p.Warnings = l.warnings(p.Warnings, state)
	return p, errors.Join(refreshErr, err)
}

// warnings adds what observing has brought up to those of the plan.
func (l *Loop) warnings(own []string, state observed.State) []string {
	if l.found.Warning != "" {
		own = append(own, l.found.Warning)
	}
	if l.found.Lacking != nil {
		own = append(own, strings.ReplaceAll(l.found.Lacking.Error(), "\n", "; "))
	}
	if l.unguarded != "" {
		own = append(own, l.unguarded)
	}
	if words := plan.Believed(state.ACLs, l.limits); words != "" {
		own = append(own, words)
	}
	if state.Host != nil {
		own = append(own, state.Host.Notes()...)
	}
	return own
}

// Once reconciles once: the host, then each ACL, then the host again for what
// an ACL has taken over. The error says that something failed; the report has
// all the rest.
func (l *Loop) Once(ctx context.Context, force bool) (plan.Report, error) {
	l.init()
	l.hasty = true
	l.Store.Sync(ctx)
	_, refreshErr := l.Store.Refresh(l.Now())
	refreshErr = errors.Join(refreshErr, l.readOn(ctx))
	if err := ctx.Err(); err != nil {
		return plan.Report{}, errors.Join(refreshErr, err, l.Store.Save(l.Now()))
	}
	l.limits.Force = force
	if force {
		l.Store.Accept()
	}
	l.firstLook(ctx)
	l.set = l.Store.Set(l.Now())
	o := &once{loop: l, problems: []error{refreshErr}}
	if l.Host != nil {
		o.host = l.hostActor()
		o.cycleHost(ctx)
	}
	found, err := l.discoverOnce(ctx)
	l.take(found)
	o.cycleACLs(ctx, found.IDs)
	if err == nil && l.inOrder() {
		o.cycleACLs(ctx, l.retireOld())
		for _, id := range l.clean() {
			o.problems = append(o.problems, l.Store.ForgetUsage(id))
		}
	}
	if o.host != nil {
		o.cycleHost(ctx)
	}
	for _, r := range o.failed {
		o.problems = append(o.problems, r.err)
	}
	l.forget()
	o.problems = append(o.problems, err, l.Store.Save(l.Now()))
	return l.reportOf(o.order, o.reports), errors.Join(o.problems...)
}

// once collects what the cycles of one reconcile bring.
type once struct {
	loop     *Loop
	host     *hostActor
	order    order
	reports  []report
	failed   []report // the latest failure of each target
	problems []error
}

// publish gives the actors an order within the limits of this moment.
func (o *once) publish() {
	o.loop.protect()
	o.order = o.loop.board.publish(plan.Prepare(o.loop.set, o.loop.limits), o.loop.limits)
}

// took files a report. The host has two cycles; what fails in both is told once.
func (o *once) took(r report) {
	o.reports = append(o.reports, r)
	sdkWords(o.loop.Log, r.target, r.err)
	if r.err != nil && !o.loop.deleted(r) {
		o.failed = append(slices.DeleteFunc(o.failed, func(f report) bool { return f.target == r.target }), r)
	}
}

func (o *once) cycleHost(ctx context.Context) {
	o.publish()
	o.took(o.host.cycle(ctx, o.order))
}

func (o *once) cycleACLs(ctx context.Context, ids []string) {
	o.publish()
	for _, id := range ids {
		actor := o.loop.aclActor(id)
		r := actor.cycle(ctx, o.order)
		for i := 1; r.again && (r.err == nil || errors.Is(r.err, apply.ErrTooOld)) && i < mostAgain; i++ {
			r.err = nil
			o.took(r)
			r = actor.cycle(ctx, o.order)
		}
		o.took(r)
	}
}

// mostAgain bounds the looks of one reconcile at one ACL: each is good for a call
// at least, and an ACL has no more slots.
const mostAgain = 64

// reportOf puts the cycles of one reconcile together.
func (l *Loop) reportOf(order order, reports []report) plan.Report {
	state := l.board.state()
	out := plan.Report{Plan: plan.Plan{Time: l.Now(), Refused: order.want.Refused(), Skipped: l.set.Bad}, Applied: true}
	out.Summary, out.Warnings = plan.Examine(order.want, state, l.Limits(), l.Now())
	out.Warnings = l.warnings(out.Warnings, state)
	latest := map[string]report{}
	for _, r := range reports {
		latest[r.target] = r
		for _, res := range r.results {
			out.Changes = append(out.Changes, res.change)
			out.Outcomes = append(out.Outcomes, plan.Outcome{Change: res.change, Done: true, Err: res.err})
		}
	}
	for _, r := range latest {
		out.Withheld = append(out.Withheld, r.withheld...)
	}
	return out
}
