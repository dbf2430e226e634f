package controller

import (
	"errors"
	"time"

	"reconciler/internal/config"
	"reconciler/internal/desired"
)

// readStore opens what is known of the log that commands append to, without a
// lock or the network. The error says why it may not be all; without a store
// nothing is known.
func readStore(w config.Writing, now time.Time) (*FileStore, error) {
	s, err := OpenStore(config.Config{
		State: []string{w.State}, HostID: w.HostID, RunDir: w.RunDir, Spool: w.Spool, CacheDir: w.CacheDir, S3: w.S3,
	}, false, now)
	if err != nil {
		return nil, err
	}
	errs := []error{s.Close()}
	for _, f := range s.files {
		errs = append(errs, f.opened)
	}
	return s, errors.Join(errs...)
}

// ReadSet gives what the log that commands append to wants, without a lock or
// the network.
func ReadSet(w config.Writing, now time.Time) (desired.Set, error) {
	s, err := readStore(w, now)
	if s == nil {
		return desired.Set{}, err
	}
	return s.Set(now), err
}

// ReadFolds gives what is known of the log that commands append to, without a
// lock or the network: one fold for each host that has a part of it.
func ReadFolds(w config.Writing, now time.Time) ([]*desired.Fold, error) {
	s, err := readStore(w, now)
	if s == nil {
		return nil, err
	}
	s.Set(now) // what one log lifts in another is lifted
	var folds []*desired.Fold
	for _, state := range s.states() {
		folds = append(folds, state.Fold())
	}
	return folds, err
}
