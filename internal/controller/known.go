package controller

import (
	"errors"
	"maps"
	"time"

	"reconciler/internal/desired"
)

// know makes durable which logs have ever had a record, before anything of them
// is enforced. Every snapshot keeps it, so that the loss of one, or of a whole
// log with all that lies beside it, is found out.
func (s *FileStore) know(now time.Time) error {
	sources := map[string]desired.Origin{}
	for _, f := range s.files {
		if o, ok := f.Origin(); ok {
			sources[f.Path] = o
		}
	}
	if !s.writing || maps.Equal(sources, s.memory.Sources) && !s.forgetful {
		return nil
	}
	s.memory = s.copyMemory()
	s.memory.Sources = sources
	var errs []error
	for _, f := range s.files {
		if f.Writable() && (f == s.home || f.Fold().Generation() > 0) {
			errs = append(errs, f.Keep(s.memory, now))
		}
	}
	if home, ok := s.home.(*remote); ok {
		errs = append(errs, home.SaveSnapshot(s.memory, now))
	}
	err := errors.Join(errs...)
	s.forgetful = err != nil
	return err
}

// accept takes what was lost for gone once an operator has confirmed it.
func (s *FileStore) accept(set desired.Set, now time.Time) (news bool) {
	for _, f := range s.files {
		if set.Confirms(f.since, now) && f.Accept() {
			f.due, news = true, true
		}
	}
	return news
}

// Accept takes all that was lost for gone.
func (s *FileStore) Accept() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range s.files {
		f.due = f.Accept() || f.due
	}
}
