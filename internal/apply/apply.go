// Package apply carries changes out. A back end never decides; it does what
// the plan says, idempotently, and tells what became of each change.
package apply

import (
	"context"

	"reconciler/internal/plan"
)

// Result is what became of one change.
type Result struct {
	Change plan.Change
	Err    error // nil: it is in force, confirmed by the target
}

// Backend changes one target. Apply tries the changes in the given order and
// gives one Result each, in that order; the error is set when the target as a
// whole failed (no tool, no permission), and every change not done has it too.
type Backend interface {
	Apply(ctx context.Context, batch []plan.Change) ([]Result, error)
}
