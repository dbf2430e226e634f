package controller

import (
	"maps"
	"net/netip"
	"slices"
	"time"

	"reconciler/internal/desired"
	"reconciler/internal/observed"
)

// Memory is what must outlive the process besides the bans themselves. Each
// Record is durable when it returns.
type Memory interface {
	Usages() map[string][]observed.Usage
	RecordUsage(acl string, u observed.Usage) error
	ForgetUsage(acl string) error
	Learned(acl string, f observed.Family) (desired.Learned, bool)
	RecordLearned(acl string, f observed.Family, l *desired.Learned) error // nil forgets it
	Metadata() observed.Metadata
	RecordMetadata(m observed.Metadata) error
	Shared(now time.Time) map[string]bool
	RecordShared(acl string, now time.Time) error
	// Held gives what may be in an ACL, and whether that is known.
	Held(acl string) (prefixes map[netip.Prefix]bool, known bool)
	// RecordHeld keeps it. On a disk that is full it counts for this process
	// alone: an ACL is written to all the same.
	RecordHeld(acl string, prefixes map[netip.Prefix]bool)
}

// Usages gives every window and shape that was recorded, by ACL.
func (s *FileStore) Usages() map[string][]observed.Usage {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.memory.Usages)
}

// RecordUsage makes a window and shape durable before the first write under it.
func (s *FileStore) RecordUsage(acl string, u observed.Usage) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if slices.Contains(s.memory.Usages[acl], u) {
		return nil
	}
	next := s.copyMemory()
	next.Usages[acl] = append(slices.Clone(next.Usages[acl]), u)
	return s.remember(next)
}

// ForgetUsage drops the record of an ACL that holds nothing of ours.
func (s *FileStore) ForgetUsage(acl string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	next := s.copyMemory()
	delete(next.Usages, acl)
	delete(next.Learned, acl)
	delete(next.Shared, acl)
	if err := s.remember(next); err != nil {
		return err
	}
	delete(s.held, acl)
	s.unsaved = true
	return s.saveHeld()
}

// Learned gives the quota that the API made known.
func (s *FileStore) Learned(acl string, f observed.Family) (desired.Learned, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l, ok := s.memory.Learned[acl][f]
	return l, ok
}

// RecordLearned keeps a learned quota; nil forgets it.
func (s *FileStore) RecordLearned(acl string, f observed.Family, l *desired.Learned) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	next := s.copyMemory()
	families := maps.Clone(next.Learned[acl])
	if families == nil {
		families = map[observed.Family]desired.Learned{}
	}
	if delete(families, f); l != nil {
		families[f] = *l
	}
	next.Learned[acl] = families
	return s.remember(next)
}

// DoubtLearned makes every learned quota void, so that one create tries whether
// it still holds: an operator who asks for a fresh look may have had it raised.
func (s *FileStore) DoubtLearned() {
	s.mu.Lock()
	defer s.mu.Unlock()
	next := s.copyMemory()
	for acl, families := range next.Learned {
		doubted := map[observed.Family]desired.Learned{}
		for f, l := range families {
			doubted[f] = desired.Learned{Quota: l.Quota}
		}
		next.Learned[acl] = doubted
	}
	s.memory = next
}

// Metadata gives what the instance metadata last said.
func (s *FileStore) Metadata() observed.Metadata {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.memory.Metadata
}

// RecordMetadata keeps what the instance metadata says.
func (s *FileStore) RecordMetadata(m observed.Metadata) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if m.Equal(s.memory.Metadata) {
		return nil
	}
	next := s.copyMemory()
	next.Metadata = m
	return s.remember(next)
}

// How long a window counts as shared after somebody else wrote into it, and how
// often that is written down.
const (
	sharedFor   = 7 * 24 * time.Hour
	sharedEvery = time.Hour
)

// Shared gives the ACLs in whose window somebody else writes.
func (s *FileStore) Shared(now time.Time) map[string]bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	shared := map[string]bool{}
	for acl, at := range s.memory.Shared {
		shared[acl] = now.Sub(at) < sharedFor
	}
	return shared
}

// RecordShared keeps that somebody else has just written into our window.
func (s *FileStore) RecordShared(acl string, now time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if now.Sub(s.memory.Shared[acl]).Abs() < sharedEvery {
		return nil
	}
	next := s.copyMemory()
	next.Shared[acl] = now
	return s.remember(next)
}

func (s *FileStore) copyMemory() desired.Memory {
	next := s.memory
	next.Usages, next.Learned, next.Shared = maps.Clone(s.memory.Usages), maps.Clone(s.memory.Learned), maps.Clone(s.memory.Shared)
	if next.Usages == nil {
		next.Usages = map[string][]observed.Usage{}
	}
	if next.Learned == nil {
		next.Learned = map[string]map[observed.Family]desired.Learned{}
	}
	if next.Shared == nil {
		next.Shared = map[string]time.Time{}
	}
	return next
}

// remember makes a new memory durable, and only then the one in force.
func (s *FileStore) remember(next desired.Memory) error {
	if s.writing {
		if err := s.home.SaveSnapshot(next, time.Now()); err != nil {
			return err
		}
	}
	s.memory = next
	return nil
}
