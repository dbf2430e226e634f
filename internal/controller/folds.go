package controller

import (
	"errors"
	"time"

	"reconciler/internal/config"
	"reconciler/internal/desired"
)

// ReadFolds gives what is known of the log that commands append to, without a
// lock or the network: one fold for each host that has a part of it.
func ReadFolds(w config.Writing, now time.Time) ([]*desired.Fold, error) {
	s, err := OpenStore(config.Config{
		State: []string{w.State}, HostID: w.HostID, RunDir: w.RunDir, Spool: w.Spool, CacheDir: w.CacheDir, S3: w.S3,
	}, false, now)
	if err != nil {
		return nil, err
	}
	s.Set(now) // what one log lifts in another is lifted
	var folds []*desired.Fold
	for _, state := range s.states() {
		folds = append(folds, state.Fold())
	}
	return folds, errors.Join(s.loadErr, s.Close())
}
