package controller

import (
	"io/fs"
	"maps"
	"os"
	"slices"
	"time"

	"reconciler/internal/observed"
	"reconciler/internal/plan"
)

// Observer is told what the loop does, for metrics. Its methods are called by
// the loop itself and must not block.
type Observer interface {
	// Cycle tells that one target's cycle is over.
	Cycle(Cycle)
	// View shows the latest state, at every turn of the loop.
	View(View)
}

// Cycle is what one actor did in one go.
type Cycle struct {
	Target   string // plan.HostTarget, the ID of an ACL, or "discovery"
	Took     time.Duration
	Ended    time.Time
	Outcomes []plan.Outcome
	Withheld int // removals that no record explains
	Err      error
	// Waits has, for each order that this cycle was the first to carry out, how
	// long its newest line had been in the log by then.
	Waits []time.Duration
}

// View is what the loop knows at one moment, without looking anew. All that it
// leads to is immutable.
type View struct {
	At      time.Time
	Want    *plan.Want // nil before the first order
	State   observed.State
	Limits  plan.Limits
	Sources []Source
	Doubt   bool // the configuration that was asked for cannot be used, and another is in force
	Ready   bool // the first order has reached the host, or there is no host to reach
}

// show gives the observer the state of this turn.
func (l *Loop) show() {
	if l.Observer == nil {
		return
	}
	order, now := l.board.current(), l.Now()
	l.Observer.View(View{
		At: now, Want: order.want, State: l.board.state(), Limits: l.summaryLimits(order.limits),
		Sources: l.Store.Sources(now), Doubt: l.Doubt != nil, Ready: l.ready,
	})
}

// showCycle gives the observer what a target did.
func (l *Loop) showCycle(r report) {
	if l.Observer == nil {
		return
	}
	now := l.Now()
	c := Cycle{Target: r.target, Took: r.took, Ended: now, Withheld: len(r.withheld), Err: r.err}
	for _, res := range r.results {
		c.Outcomes = append(c.Outcomes, plan.Outcome{Change: res.change, Done: true, Err: res.err})
	}
	if r.err == nil && !r.again {
		c.Waits = l.arrivals.settle(r.target, r.number, now)
	}
	l.Observer.Cycle(c)
}

// arrived notes that an order brings new lines, for all who have to carry it out.
func (l *Loop) arrived(number uint64, since, now time.Time) {
	if l.Observer == nil {
		return
	}
	if since.IsZero() {
		return // the first look at a log: its lines are as old as they are
	}
	var targets []string
	if l.host != nil {
		targets = append(targets, plan.HostTarget)
	}
	for id := range l.acls {
		targets = append(targets, id)
	}
	l.arrivals.note(targets, arrival{order: number, at: l.appendedAt(since, now)})
}

// appendedAt gives when the newest line came, by the logs' modification times.
// It came after the last look and before this one, whatever a clock or a file
// says.
func (l *Loop) appendedAt(since, now time.Time) time.Time {
	at := since
	for _, s := range l.Store.Sources(now) {
		info, err := os.Lstat(s.Path)
		if err == nil && info.Mode()&fs.ModeType == 0 && info.ModTime().After(at) {
			at = info.ModTime()
		}
	}
	if at.After(now) {
		return now
	}
	return at
}

// arrival is the order that brought a line, and when the line came.
type arrival struct {
	order uint64
	at    time.Time
}

// arrivals holds, by target, the lines that the target has not carried out yet.
type arrivals map[string][]arrival

// maxArrivals bounds what waits for one target. While one is down the oldest
// are kept: they tell how long it has been.
const maxArrivals = 1024

func (a arrivals) note(targets []string, next arrival) {
	maps.DeleteFunc(a, func(t string, _ []arrival) bool { return !slices.Contains(targets, t) })
	for _, t := range targets {
		if len(a[t]) < maxArrivals {
			a[t] = append(a[t], next)
		}
	}
}

// settle gives how long each line waited that came with this order or before.
func (a arrivals) settle(target string, order uint64, now time.Time) []time.Duration {
	var waits []time.Duration
	rest := a[target]
	for len(rest) > 0 && rest[0].order <= order {
		waits = append(waits, max(now.Sub(rest[0].at), 0))
		rest = rest[1:]
	}
	if len(rest) == 0 {
		delete(a, target)
	} else {
		a[target] = rest
	}
	return waits
}
