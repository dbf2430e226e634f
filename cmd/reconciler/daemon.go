package main

import (
	"fmt"
	"time"

	"reconciler/internal/controller"
	"reconciler/internal/plan"
)

// startDaemon is the command that starts the daemon.
const startDaemon = "sudo systemctl start reconciler"

// daemonState reports whether a daemon keeps the chain in this network namespace,
// and since when: the zero time where it does not tell. It costs a look at a
// socket of this machine, and takes nothing.
func daemonState(chain string) (running bool, since time.Time) {
	d := askDaemon(chain)
	return d.Running, d.since
}

// noDaemon returns what a person should know who has just written to the log
// while no daemon keeps the chain; "" where one does.
func noDaemon(chain string) string {
	if running, _ := daemonState(chain); running {
		return ""
	}
	return fmt.Sprintf("no daemon runs, so it is recorded and not enforced yet; start it: %s", startDaemon)
}

// daemonInfo is what is known of the daemon of a chain.
type daemonInfo struct {
	Running bool       `json:"running"`
	Since   *time.Time `json:"since"` // null: it does not run, or does not say
	Version string     `json:"version,omitempty"`
	PID     int        `json:"pid,omitempty"`
	Start   string     `json:"start,omitempty"` // the command that starts it, where it does not run

	since  time.Time
	health *controller.Health // nil: it does not say
	mute   bool               // it runs and says nothing at all
}

func askDaemon(chain string) daemonInfo {
	k, running := controller.Daemon(chain)
	if !running {
		return daemonInfo{Start: startDaemon}
	}
	d := daemonInfo{Running: true, PID: k.PID, mute: k.Word == nil}
	if k.Word != nil {
		d.Version, d.since, d.health = k.Word.Version, k.Word.Since, k.Word.Health
		since := d.since.UTC().Truncate(time.Second)
		d.Since = &since
	}
	return d
}

// idle says why nothing is carried out; "" while a daemon runs.
func (d daemonInfo) idle() string {
	if d.Running {
		return ""
	}
	return "no daemon runs; start it: " + startDaemon
}

// reasons says what is not well with it, and what it says is not well.
func (d daemonInfo) reasons() []string {
	switch {
	case !d.Running:
		return []string{d.idle()}
	case d.mute:
		return []string{"the daemon does not answer; if that lasts: sudo systemctl restart reconciler"}
	case d.health != nil:
		return d.health.Reasons
	}
	return nil
}

// text says in a few words whether it runs, and since when.
func (d daemonInfo) text(now time.Time, style plan.Style) string {
	switch {
	case !d.Running:
		return "not running (" + startDaemon + ")"
	case d.since.IsZero():
		return "running"
	}
	return fmt.Sprintf("running since %s (%s)", plan.Moment(d.since, now, style.Zone), plan.Short(max(now.Sub(d.since), 0)))
}
