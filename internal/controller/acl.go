package controller

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"reconciler/internal/apply"
	"reconciler/internal/observed"
	"reconciler/internal/plan"
)

// ACLReader describes one Network ACL.
type ACLReader func(ctx context.Context, id string, now time.Time) (observed.ACL, error)

// maxPasses bounds one cycle: a slot that is emptied and then filled takes two.
const maxPasses = 8

// aclActor keeps one Network ACL equal to what is wanted.
type aclActor struct {
	id       string
	read     ACLReader
	backend  apply.Backend
	board    *board
	memory   Memory
	now      func() time.Time
	resync   time.Duration
	picture  *observed.ACL
	stale    bool // the next cycle reads first
	known    *aclMemory
	withheld withheld
	quotas   quotas
	due      time.Duration  // how old the picture may grow
	began    time.Time      // since when it is tried to read the ACL
	looked   time.Time      // the look whose outcome is on record
	random   func() float64 // from 0 up to 1
}

// cycle makes the ACL equal to the order, in as many passes as it takes. Only
// creates act on a picture that was not read in this cycle: a create is a
// compare-and-set, while replace and delete are blind.
func (a *aclActor) cycle(ctx context.Context, o order) report {
	r := report{target: a.id, number: o.number}
	var unsaved error
	for range maxPasses {
		if a.mustRead(o) {
			before := a.picture
			if r.err = a.look(ctx, o.limits); r.err != nil {
				break
			}
			unsaved = a.notice(o, before)
			r.read = true
		}
		a.recordLook()
		limits, now := a.limits(o), a.now()
		var changes []plan.Change
		changes, r.withheld = a.withheld.plan(o, limits, now, func(limits plan.Limits) ([]plan.Change, []plan.Change) {
			return plan.ForACL(o.want, *a.picture, a.board.state().Host, limits, now)
		})
		if len(changes) == 0 {
			if !overflows(o.limits) || !a.known.unread() {
				break
			}
			a.stale = true // the host waits for a read that shows what was written
			continue
		}
		if !r.read && slices.ContainsFunc(changes, func(c plan.Change) bool { return c.Action != plan.Create }) {
			a.stale = true
			continue
		}
		if r.err = a.apply(ctx, changes, limits, &r); r.err != nil || r.again {
			break
		}
	}
	r.err = errors.Join(r.err, a.recordQuotas(), unsaved)
	return a.finish(o, r)
}

// overflows says that the host lets go of what the ACLs have.
func overflows(l plan.Limits) bool { return l.HostMode == plan.HostOverflow && !l.NoHost }

func (a *aclActor) finish(o order, r report) report {
	if a.picture != nil {
		annotated := a.known.annotate(*a.picture)
		a.picture = &annotated
		a.publishPicture()
		r.rest, r.warnings = a.rest(o), a.warnings(o)
	}
	a.board.done(r, a.confirmed(o, r.err))
	return r
}

// trust is how long a picture counts as what is enforced when no read succeeds.
const trust = 5 * time.Minute

func (a *aclActor) publishPicture() {
	if a.now().Sub(a.picture.ReadAt) > trust {
		a.board.setACL(a.id, nil)
		return
	}
	a.board.setACL(a.id, a.picture)
}

// warnings says what an operator should know about this ACL.
func (a *aclActor) warnings(o order) (words []string) {
	if plan.Contested(o.want, *a.picture, a.limits(o), a.now()) {
		words = append(words, plan.Contest(a.id, o.limits))
	}
	for _, action := range slices.Sorted(maps.Keys(a.picture.Denied)) {
		words = append(words, a.picture.Denied[action])
	}
	return words
}

// notice writes down that somebody else writes into our window.
func (a *aclActor) notice(o order, before *observed.ACL) error {
	if before == nil || before == a.picture || !plan.Strangers(o.want, *before, *a.picture, a.limits(o)) {
		return nil
	}
	return a.memory.RecordShared(a.id, a.now())
}

func (a *aclActor) mustRead(o order) bool {
	if a.picture == nil || a.stale || len(a.known.doubts) > 0 {
		return true
	}
	age := a.now().Sub(a.picture.ReadAt)
	return age < 0 || age >= a.due || overflows(o.limits) && !a.known.unshown().IsZero() && a.now().Sub(a.known.unshown()) >= settleTime
}

// rest gives how long the ACL may be left alone: until its picture is too old, or
// the host can be told that an entry is there to stay.
func (a *aclActor) rest(o order) time.Duration {
	rest := a.due - a.now().Sub(a.picture.ReadAt)
	if first := a.known.unshown(); overflows(o.limits) && !first.IsZero() {
		rest = min(rest, settleTime-a.now().Sub(first))
	}
	return max(rest, leastWait)
}

// resyncSpread is how much of its period a resync may come early, so that hosts
// which started together do not go on together.
const resyncSpread = 0.2

// look describes the ACL and makes the picture of it.
func (a *aclActor) look(ctx context.Context, limits plan.Limits) error {
	now := a.now()
	read, err := a.read(ctx, a.id, now)
	if err != nil {
		return apply.Explain(err, "ec2:DescribeNetworkAcls")
	}
	last := a.picture
	a.adoptPicture(read, now)
	if last != nil {
		a.known.watch(limits.Current(), *last, *a.picture, now)
		annotated := a.known.annotate(*a.picture)
		a.picture = &annotated
	}
	a.learn()
	return nil
}

// adoptPicture takes what was read, here or by discovery, as the picture.
func (a *aclActor) adoptPicture(read observed.ACL, now time.Time) {
	merged := a.known.merge(read, a.picture, now)
	a.picture, a.stale = &merged, false
	a.due = time.Duration(float64(a.resync) * (1 - resyncSpread*a.random()))
}

// apply records the window and shape, makes the calls and draws the
// consequences of each. What the next pass can mend by itself is no error here.
func (a *aclActor) apply(ctx context.Context, changes []plan.Change, limits plan.Limits, r *report) error {
	a.recordWrites(changes)
	if !limits.Retired[a.id] {
		if err := a.memory.RecordUsage(a.id, limits.Current()); err != nil {
			return fmt.Errorf("nothing is written to %s before its window is on record: %w", a.id, err)
		}
	}
	done, err := a.backend.Apply(ctx, changes)
	progress := false
	for _, d := range done {
		if errors.Is(d.Err, apply.ErrTooOld) {
			a.stale, r.again = true, true
			continue
		}
		progress = progress || d.Err == nil
		r.results = append(r.results, result{change: d.Change, err: d.Err})
		if e := a.absorb(d); e != nil && err == nil {
			err = e
		}
	}
	if r.again && !progress && err == nil {
		return fmt.Errorf("changing network ACL %s: %w", a.id, apply.ErrTooOld) // with a pause: no hot loop
	}
	return err
}

// absorb takes the outcome of one change into the picture and the memory. The
// error, if any, ends the cycle: a conflict, a full family and an entry that
// the API rejects are planned around at once instead.
func (a *aclActor) absorb(d apply.Result) error {
	now, c := a.now(), d.Change
	switch {
	case d.Err == nil:
		a.confirm(c, now)
		return nil
	case errors.Is(d.Err, apply.ErrNotTried):
		return nil // the failure that it follows speaks for itself
	case errors.Is(d.Err, apply.ErrQuota):
		a.quotas.full[observed.FamilyOf(c.Prefix)], a.stale = true, true
		return nil
	case errors.Is(d.Err, apply.ErrMalformed):
		a.known.refused[c.Prefix] = d.Err.Error()
		annotated := a.known.annotate(*a.picture)
		a.picture = &annotated
		return nil
	case errors.Is(d.Err, apply.ErrConflict):
		a.stale = true
		return nil
	case c.Action == plan.Replace && apply.Unpermitted(d.Err):
		a.known.denied[string(c.Action)] = denial{now, "slots are emptied first and filled by a second call: " + a.missing(c.Action)}
		annotated := a.known.annotate(*a.picture)
		a.picture = &annotated
		return nil
	case apply.Unpermitted(d.Err):
		a.known.denied[string(c.Action)] = denial{now, a.missing(c.Action)}
	case apply.Unsettled(d.Err):
		_, again := a.known.doubts[c.Rule]
		a.known.doubts[c.Rule] = observed.Doubt{Action: string(c.Action), Prefix: c.Prefix, Since: now, Repeated: again}
	}
	a.stale = true
	return d.Err
}

// missing names the permission that an action lacks.
func (a *aclActor) missing(action plan.Action) string {
	return fmt.Sprintf("AWS denies %s on %s; grant it to this instance's role", apply.Permission(action), a.id)
}

// confirm takes a confirmed write into the picture. An earlier write to the
// number that got no answer may still land after it.
func (a *aclActor) confirm(c plan.Change, now time.Time) {
	if d, doubt := a.known.doubts[c.Rule]; doubt {
		d.Repeated = true
		a.known.doubts[c.Rule] = d
	}
	w := write{gone: c.Action == plan.Delete, at: now}
	if !w.gone {
		w.entry = observed.Entry{Number: c.Rule, Prefix: c.Prefix, Shape: c.Shape}
	}
	before, there := a.picture.At(c.Rule)
	a.known.wrote(c.Rule, w, before, there)
	delete(a.known.denied, string(c.Action))
	after := a.known.annotate(plan.ACLAfter(*a.picture, []plan.Change{c}))
	a.picture = &after
}

// limits gives the order's limits with what was learned about this ACL.
func (a *aclActor) limits(o order) plan.Limits {
	limits := o.limits
	limits.Usages = a.memory.Usages()
	limits.Learned = map[string]map[observed.Family]int{a.id: {}}
	for _, f := range observed.Families {
		if quota, ok := a.learned(f, limits); ok {
			limits.Learned[a.id][f] = quota
		}
	}
	return limits
}
