package controller

import (
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
	opened error // of opening it, for the first Refresh to report
	lost   bool  // the last Refresh found it unavailable
	due    bool  // its state is to be saved at the next chance
}

func (s *FileStore) openLocal(cfg config.Config, path string, now time.Time) (*localLog, error) {
	l := &localLog{File: desired.NewFile(path)}
	l.RunDir = cfg.RunDir
	s.files = append(s.files, l)
	if s.writing {
		if _, err := l.Lock(); err != nil {
			return l, err
		}
	}
	err := l.Load(context.Background(), now, s.writing)
	if errors.Is(err, desired.ErrUnavailable) && !unsafe(err) {
		l.opened = err
		return l, nil
	}
	return l, err
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

func (l *localLog) refresh(now time.Time) error {
	opened := l.opened
	l.opened = nil
	_, err := l.Refresh(context.Background(), now)
	return errors.Join(opened, err)
}

// keep saves the state of a log at once when the log has just gone or was
// replaced: what was read from it since the last time is nowhere else then.
func (s *FileStore) keep(l *localLog, err error, now time.Time) {
	gone := errors.Is(err, desired.ErrUnavailable)
	edge := gone && !l.lost || errors.Is(err, desired.ErrReplaced)
	l.lost = gone
	if !edge || !s.writing || l.Fold().Generation() == 0 {
		return
	}
	l.due = l.Keep(s.memory, now) != nil // Maintain tries again, and says why
}
