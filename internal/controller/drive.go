package controller

import (
	"context"
	"time"

	"github.com/cenkalti/backoff/v5"
)

// driver runs one actor's cycles, one at a time: when it is woken, when its
// period is over, and after a failure with a growing pause.
type driver struct {
	wake    chan struct{}
	period  time.Duration // between two looks at the target
	patient bool          // a wake-up during the pause after a failure waits for its end
	cycle   func(context.Context) report
}

// The pause after a failure.
const (
	firstRetry = time.Second
	lastRetry  = time.Minute
)

func newPause() *backoff.ExponentialBackOff {
	p := &backoff.ExponentialBackOff{
		InitialInterval: firstRetry, MaxInterval: lastRetry,
		RandomizationFactor: 0.3, Multiplier: 2,
	}
	p.Reset()
	return p
}

func newDriver(period time.Duration, patient bool, cycle func(context.Context) report) *driver {
	return &driver{wake: make(chan struct{}, 1), period: period, patient: patient, cycle: cycle}
}

// poke asks for a cycle. Many calls before it starts make one.
func (d *driver) poke() {
	select {
	case d.wake <- struct{}{}:
	default:
	}
}

// run goes on until the context is done. The first cycle waits for a wake-up.
func (d *driver) run(ctx context.Context, reports chan<- report) {
	pause := newPause()
	timer := time.NewTimer(d.period)
	defer timer.Stop()
	failed, looked := false, time.Now()
	for {
		wake := d.wake
		if failed && d.patient {
			wake = nil
		}
		select {
		case <-ctx.Done():
			return
		case <-wake:
		case <-timer.C:
		}
		began := time.Now()
		r := d.cycle(ctx)
		r.took = time.Since(began)
		if r.read {
			looked = time.Now()
		}
		if failed = r.err != nil; failed {
			timer.Reset(pause.NextBackOff())
		} else {
			pause.Reset()
			timer.Reset(d.wait(r, looked))
		}
		select {
		case reports <- r:
		case <-ctx.Done():
			return
		}
	}
}

// leastWait keeps a cycle that is due and finds no reason to look from turning hot.
const leastWait = 100 * time.Millisecond

// wait gives the time until the next cycle that nobody asks for.
func (d *driver) wait(r report, looked time.Time) time.Duration {
	switch {
	case r.again:
		return min(leastWait, d.period)
	case r.rest > 0:
		return r.rest
	}
	return d.untilLook(looked)
}

// untilLook gives the wait for the next look at the target. Cycles that trust a
// picture must not put it off: what others break would stay broken for longer.
func (d *driver) untilLook(looked time.Time) time.Duration {
	return max(d.period-time.Since(looked), min(leastWait, d.period))
}
