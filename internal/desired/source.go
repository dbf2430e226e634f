package desired

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"
)

// Errors of a source whose state cannot be had as it should be. ErrUnavailable
// means that the bans that were known are kept.
var (
	// ErrUnavailable is the cause when a log is missing or cannot be read.
	ErrUnavailable = errors.New("the source is unavailable, and the bans that are known are kept")
	// ErrReplaced is the cause, once, when a log was replaced, cut or rewritten.
	// What it holds now is taken too, by the times of its records.
	ErrReplaced = fmt.Errorf("the log was replaced: %w", ErrUnavailable)
	// ErrUnknown is the cause when a snapshot is there and cannot be read: nothing
	// is known of its bans then, so nothing may be decided or saved.
	ErrUnknown = errors.New("the state is not known")
	// ErrBusy is the cause when a log was compacted again and again while it was read.
	ErrBusy = errors.New("the log is being compacted; try again")
)

// unknown says that a snapshot could not be read. Whoever may not read it is told
// of no way to be rid of it: the bans in it are in force.
func unknown(doing string, err error) error {
	if errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("%s: %w: %w", doing, err, ErrUnknown)
	}
	return fmt.Errorf("%s: %w: %w; mend the snapshot or, to give its bans up, move it away", doing, err, ErrUnknown)
}

// State is what is known of one log.
type State interface {
	// Fold is what its records amount to.
	Fold() *Fold
	// Bad gives the latest lines that were skipped.
	Bad() []LineError
	// Warnings gives what an operator should know.
	Warnings() []string
	// Health gives how the log does.
	Health() Health
	// Gap says why what is known may be less than what the log asks for; nil: it
	// is all, up to the place that was read.
	Gap() error
}

// Source is a log of bans. It serves one goroutine, except for Append. Load
// makes a new Fold.
type Source interface {
	State
	// Load reads the state from the beginning. With create set, a log that was
	// never there is made.
	Load(ctx context.Context, now time.Time, create bool) error
	// Refresh reads what was appended since and says whether the state changed.
	// After an error the state is what it was, or more.
	Refresh(ctx context.Context, now time.Time) (bool, error)
	// Append adds records durably.
	Append(ctx context.Context, recs ...Record) (*Spooled, error)
}

// Health is how a source does, for status and metrics.
type Health struct {
	Path       string
	Size       int64     // bytes
	Lag        int64     // bytes that are not folded yet
	Lines      int       // lines that are folded and still in the log
	Skipped    int       // bad lines since the state was begun
	Repeats    int       // records dropped because their id was used before
	Spooled    int64     // bytes that wait in the spool
	LastRecord time.Time // the newest record; zero: none
	Read       time.Time // when a log in S3 was last found as it is; zero: never
	Err        error     // of the last Load or Refresh
}

// Collect gives what all logs together want at now. Each folds alone; only what
// lifts a prefix for all hosts reaches over to the other logs. The error in a
// log's Health is no warning here: whoever has read the log has it already.
func Collect(now time.Time, states ...State) Set {
	folds := make([]*Fold, len(states))
	for i, s := range states {
		folds[i] = s.Fold()
	}
	Settle(now, folds...)
	set := Union(now, folds...)
	for _, s := range states {
		set.Bad = append(set.Bad, s.Bad()...)
		set.Warnings = append(set.Warnings, s.Warnings()...)
		if err := s.Gap(); err != nil {
			set.Unknown = append(set.Unknown, s.Health().Path)
			set.Warnings = append(set.Warnings, fmt.Sprintf("%v; meanwhile no ban is lifted or shortened that it may want", err))
		}
	}
	if len(set.Unknown) > 0 {
		set.gatherEverywhere(folds)
	}
	return set
}
