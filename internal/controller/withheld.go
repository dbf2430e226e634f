package controller

import (
	"time"

	"reconciler/internal/plan"
)

// withheld is what a target's plans have withheld, each with the time of its
// first report. It dies with the process: a confirm answers a report, and after
// a restart there is a new one.
type withheld struct {
	first map[plan.Key]time.Time
}

// plan plans for a target, and again with what a confirm lets through: all that
// was reported before it, and nothing else. What is withheld for the first time
// counts as reported now.
func (w *withheld) plan(o order, limits plan.Limits, now time.Time, by func(plan.Limits) (changes, withheld []plan.Change)) (changes, left []plan.Change) {
	changes, left = by(limits)
	w.report(left, now)
	limits.Confirmed = map[plan.Key]bool{}
	for key, reported := range w.first {
		if o.want.Set().Confirms(reported, now) {
			limits.Confirmed[key] = true
		}
	}
	if len(limits.Confirmed) > 0 {
		return by(limits)
	}
	return changes, left
}

// report takes what is withheld now. After a clock that was set back an old
// report counts as made anew, or no confirm would be newer for long.
func (w *withheld) report(changes []plan.Change, now time.Time) {
	now = now.Round(0)
	first := make(map[plan.Key]time.Time, len(changes))
	for _, c := range changes {
		reported, known := w.first[c.Key()]
		if !known || reported.After(now) {
			reported = now
		}
		first[c.Key()] = reported
	}
	w.first = first
}
