package controller

import "time"

// Bursts are gathered: after an order the next one waits until the log has been
// quiet for a moment, and no longer than gatherMost.
const (
	gatherQuiet = 100 * time.Millisecond
	gatherMost  = 400 * time.Millisecond
)

// gathering is the time after an order in which news are left to come together.
type gathering struct {
	over  <-chan time.Time // nil: nothing is gathered
	until time.Time        // the latest end
}

func (g *gathering) on() bool { return g.over != nil }

// start begins a new time.
func (g *gathering) start() {
	g.until = time.Now().Add(gatherMost)
	g.over = time.After(gatherQuiet)
}

// more puts the end off, since something came.
func (g *gathering) more() { g.over = time.After(min(gatherQuiet, time.Until(g.until))) }

func (g *gathering) stop() { g.over = nil }
