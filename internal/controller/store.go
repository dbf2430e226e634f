package controller

import (
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"reconciler/internal/config"
	"reconciler/internal/desired"
)

// FileStore is the Store over logs on this machine and in S3. The first log is
// the one that commands append to; its snapshot keeps the memory as well.
type FileStore struct {
	mu         sync.Mutex
	files      []*localLog
	remotes    []*remote
	absent     []absent // logs in S3 that could not be opened
	home       keeperOfMemory
	memory     desired.Memory
	held       map[string]map[netip.Prefix]bool // by ACL: what may be in it
	unsaved    bool                             // held is not on disk as it is
	writing    bool
	connect    connector
	portion    func() func() bool // see desired.File
	compactAt  int64
	known      uint64                   // the folds' generations, summed, at the last Refresh
	told       string                   // bad lines and warnings at the last Refresh
	generation map[*desired.Fold]uint64 // of each fold at the last Set
	saved      uint64                   // generations at the last save
	savedAt    time.Time
	voided     time.Time // a confirm that counts no longer
	forgetful  bool      // which logs are known could not be saved
}

// keeperOfMemory is the log whose snapshot keeps the memory.
type keeperOfMemory interface {
	Memory() desired.Memory
	HeldPath() string
	SaveSnapshot(mem desired.Memory, now time.Time) error
}

// OpenStore loads the state, without the network. A writing store owns the
// snapshots: there can be one at a time, and ErrLocked says that there is
// another. A log that is unavailable is no error here, nor, behind the first, one
// that cannot be opened at all; Refresh reports it.
func OpenStore(cfg config.Config, writing bool, now time.Time) (*FileStore, error) {
	return openStore(cfg, writing, now, ConnectS3, aSecond)
}

func openStore(cfg config.Config, writing bool, now time.Time, connect connector, portion func() func() bool) (*FileStore, error) {
	s := &FileStore{writing: writing, connect: connect, portion: portion, compactAt: cfg.CompactAt, savedAt: now}
	s.memory.Sources = config.Recall(cfg)
	for i, state := range cfg.State {
		log, err := s.openLog(cfg, state, i == 0, now)
		if err != nil {
			return nil, errors.Join(err, s.Close())
		}
		if i == 0 {
			s.home = log
		}
	}
	known := s.memory.Sources
	s.memory = s.home.Memory()
	s.memory.Sources = known
	s.loadHeld()
	return s, nil
}

func (s *FileStore) openLog(cfg config.Config, state string, first bool, now time.Time) (keeperOfMemory, error) {
	if !desired.IsAddress(state) {
		return s.openLocal(cfg, state, first, now)
	}
	r, err := s.openRemote(cfg, state, first)
	if err != nil && !first && !cfg.Dedicated {
		s.absent = append(s.absent, absent{state, err})
		return r, nil
	}
	return r, err
}

// Refresh takes what was appended. The error joins those of all logs.
func (s *FileStore) Refresh(now time.Time) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var errs []error
	for _, f := range s.files {
		err := f.refresh(s.writing, now)
		s.keep(f, err, now)
		errs = append(errs, err)
	}
	for _, r := range s.remotes {
		errs = append(errs, r.refresh(now))
	}
	for _, a := range s.absent {
		errs = append(errs, a.Health().Err)
	}
	errs = append(errs, s.know(now))
	known, told := uint64(0), []byte(nil)
	for _, log := range s.states() {
		known += log.Fold().Generation()
		told = fmt.Append(told, log.Health().Skipped, len(log.Bad()), log.Warnings(), log.Gap())
	}
	changed := known != s.known || string(told) != s.told
	s.known, s.told = known, string(told)
	return changed, errors.Join(errs...)
}

// Behind reports whether a log holds more than was read of it, and makes durable
// how far that came: whenever the process dies, the next goes on from there.
func (s *FileStore) Behind(now time.Time) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	behind := false
	var errs []error
	for _, f := range s.files {
		if !f.Behind() {
			continue
		}
		behind = true
		if f.Saved() || f.Fold().Generation() > 0 {
			errs = append(errs, f.Keep(s.memory, now))
		}
	}
	return behind, errors.Join(errs...)
}

// Set gives what all logs together want.
func (s *FileStore) Set(now time.Time) desired.Set {
	s.mu.Lock()
	defer s.mu.Unlock()
	states := s.states()
	set := s.current(desired.Collect(now, states...), now)
	if s.accept(set, now) {
		set = s.current(desired.Collect(now, states...), now)
	}
	s.generation = map[*desired.Fold]uint64{}
	s.known = 0
	for _, log := range states {
		s.generation[log.Fold()] = log.Fold().Generation()
		s.known += log.Fold().Generation()
	}
	return set
}

// current ends a confirm for good once the clock is set back behind it: what is
// reported from then on would seem older than the confirm.
func (s *FileStore) current(set desired.Set, now time.Time) desired.Set {
	if now.Round(0).Before(set.Confirmed.Round(0)) {
		s.voided = set.Confirmed
	}
	if set.Confirmed.Equal(s.voided) {
		set.Confirmed = time.Time{}
	}
	return set
}

// states gives every log, those on this machine first.
func (s *FileStore) states() []desired.State {
	var all []desired.State
	for _, f := range s.files {
		all = append(all, f)
	}
	for _, r := range s.remotes {
		all = append(all, r.States()...)
	}
	for _, a := range s.absent {
		all = append(all, a)
	}
	return all
}

// Forget drops lifted prefixes that are confirmed as gone, unless they were
// lifted again after the last Set.
func (s *FileStore) Forget(lifted []netip.Prefix) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for fold, generation := range s.generation {
		fold.Forget(generation, lifted...)
	}
}

// Dirs gives the directories in which a change means news.
func (s *FileStore) Dirs() []string {
	var dirs []string
	for _, f := range s.files {
		if f.refused == nil { // else there may be no directory yet; the poll looks
			dirs = append(dirs, filepath.Dir(f.Path))
		}
	}
	for _, r := range s.remotes {
		for _, box := range r.Outboxes[:min(1, len(r.Outboxes))] { // the second, for a full disk, may have no directory
			dirs = append(dirs, filepath.Dir(box.Path))
		}
	}
	return slices.Compact(slices.Sorted(slices.Values(dirs)))
}

// Close closes the logs and gives the snapshots free.
func (s *FileStore) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var errs []error
	for _, f := range s.files {
		errs = append(errs, f.Close())
	}
	for _, r := range s.remotes {
		errs = append(errs, r.Close())
	}
	return errors.Join(errs...)
}
