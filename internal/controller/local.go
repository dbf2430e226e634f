package controller

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"time"

	"reconciler/internal/config"
	"reconciler/internal/desired"
)

// localLog is a log on this machine.
type localLog struct {
	*desired.File
	opened  error     // of opening it, for the first Refresh to report
	refused error     // why this process is not its writer; that is tried again
	lost    bool      // the last Refresh found it unavailable
	due     bool      // its state is to be saved at the next chance
	since   time.Time // when it was opened, and what it lacks was first told
}

// openLocal opens a log. What is wrong with it is an error only where the rest
// must not go on without it.
func (s *FileStore) openLocal(cfg config.Config, path string, first bool, now time.Time) (*localLog, error) {
	l := &localLog{File: desired.NewFile(path), since: now}
	if o, ok := s.memory.Sources[path]; ok {
		l.Remembered = &o
	}
	l.RunDir, l.Portion = cfg.RunDir, s.portion
	s.files = append(s.files, l)
	err := l.open(s.writing, now)
	if err == nil || l.bearable(err, first, cfg.Dedicated) {
		l.opened = err
		return l, nil
	}
	return l, err
}

func (l *localLog) open(writing bool, now time.Time) error {
	l.refused = nil
	if writing {
		_, l.refused = l.Lock()
	}
	return errors.Join(l.refused, l.Load(context.Background(), now, writing && l.refused == nil))
}

// bearable says that the rest goes on without what a log lacks. One bad log must
// not stop the good ones; but the first keeps the memory, and an operator who
// has just named an unsafe one is told at once. With --dedicated every entry
// that no log asks for is removed, so there every log must be known.
func (l *localLog) bearable(err error, first, dedicated bool) bool {
	if first && l.refused != nil {
		return false
	}
	known := errors.Is(err, desired.ErrUnavailable) && (!unsafe(err) || l.Saved())
	return known || !first && !dedicated
}

// Health says as well why this process cannot write beside the log.
func (l *localLog) Health() desired.Health {
	h := l.File.Health()
	h.Err = errors.Join(l.refused, h.Err)
	return h
}

// unsafe says that the log must not be trusted, which an operator has to mend.
func unsafe(err error) bool {
	for _, e := range []error{desired.ErrSymlink, desired.ErrNotRegular, desired.ErrOwner, desired.ErrWorldWritable, fs.ErrPermission} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// refresh takes what was appended. What opening the log has met is reported once,
// unless the same log fails again.
func (l *localLog) refresh(writing bool, now time.Time) error {
	opened := l.opened
	l.opened = nil
	if l.refused != nil { // it may have been mended, or the other process have ended
		return l.open(writing, now)
	}
	_, err := l.Refresh(context.Background(), now)
	if err == nil || opened == nil || opened.Error() == err.Error() {
		return cmp.Or(err, opened)
	}
	return errors.Join(opened, err)
}

// keep saves the state of a log at once when the log has just gone or was
// replaced: what was read from it since the last time is nowhere else then.
func (s *FileStore) keep(l *localLog, err error, now time.Time) {
	gone := errors.Is(err, desired.ErrUnavailable)
	edge := gone && !l.lost || errors.Is(err, desired.ErrReplaced)
	l.lost = gone
	if !edge || !l.Writable() || l.Fold().Generation() == 0 {
		return
	}
	l.due = l.Keep(s.memory, now) != nil // Maintain tries again, and says why
}
