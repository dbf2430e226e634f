package controller

import (
	"context"
	"errors"
	"time"

	"golang.org/x/sys/unix"
)

// saveEvery is how often a changed state is saved although the log alone would
// do, so that a restart has little to read.
const saveEvery = 5 * time.Minute

// Maintain moves spooled records into their log, compacts logs that have grown,
// and saves a state that has changed for a while, or that was never saved: while
// there is no snapshot, a log that is lost takes every ban with it.
func (s *FileStore) Maintain(now time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var errs []error
	for _, f := range s.files {
		if !f.Writable() {
			continue // its Health says why
		}
		if f.Health().Spooled > 0 {
			_, err := f.DrainSpool(context.Background())
			errs = append(errs, err)
		}
		if stored(f.Path) >= s.compactAt && f.Health().Lines > 0 {
			_, err := f.Compact(s.memory, now)
			errs = append(errs, err)
			s.savedAt = now
		}
		if f.due || !f.Saved() && f.Fold().Generation() > 0 {
			err := f.Keep(s.memory, now)
			f.due = err != nil
			errs = append(errs, err)
		}
	}
	errs = append(errs, s.saveHeld())
	if s.known != s.saved && now.Sub(s.savedAt) >= saveEvery {
		errs = append(errs, s.save(now))
	}
	return errors.Join(errs...)
}

// stored gives the bytes that a log takes on the disk, without the hole that a
// compaction leaves where the file system cannot cut; 0 when it is not there.
func stored(path string) int64 {
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return 0
	}
	return min(st.Size, st.Blocks*512)
}

// Save makes the state durable.
func (s *FileStore) Save(now time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.save(now)
}

// save passes over logs that this process may not write beside, as their Health
// says, and over those of which nothing was ever read: a snapshot would make them
// known. The home is saved in any case, for the memory.
func (s *FileStore) save(now time.Time) error {
	var errs []error
	for _, f := range s.files {
		if f == s.home || f.Writable() && (f.Saved() || f.Fold().Generation() > 0) {
			errs = append(errs, f.SaveSnapshot(s.memory, now))
		}
	}
	for _, r := range s.remotes {
		errs = append(errs, r.Save(now))
	}
	errs = append(errs, s.saveHeld())
	if err := errors.Join(errs...); err != nil {
		return err
	}
	s.saved, s.savedAt = s.known, now
	return nil
}
