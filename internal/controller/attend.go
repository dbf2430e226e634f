package controller

import (
	"context"
	"math/rand/v2"
	"time"
)

// pollSpread is how much a look at S3 comes earlier or later than its time, so
// that hosts which started together do not go on together.
const pollSpread = 0.2

// attend keeps up with one log beyond the network, in a goroutine of its own: a
// look each period, and a delivery as soon as something waits. While deliveries
// fail they wait for the next look.
func (l *Loop) attend(ctx context.Context, r Remote) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	failing := false
	for {
		urgent := r.Urgent()
		if failing {
			urgent = nil
		}
		select {
		case <-ctx.Done():
			return
		case <-urgent:
		case <-timer.C:
			_ = r.Look(ctx) // what fails is in the Sources
			timer.Reset(spread(l.Config.Poll))
		}
		failing = r.Deliver(ctx) != nil
		select {
		case l.news <- struct{}{}:
		default:
		}
	}
}

// spread gives a duration near d.
func spread(d time.Duration) time.Duration {
	return time.Duration(float64(d) * (1 - pollSpread + 2*pollSpread*rand.Float64())) //nolint:gosec // no secret depends on it
}
