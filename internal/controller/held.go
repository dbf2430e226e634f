package controller

import (
	"maps"
	"net/netip"
	"slices"

	"reconciler/internal/desired"
	"reconciler/internal/observed"
)

// Held gives what may be in an ACL. Nothing is in one that was never written to.
func (s *FileStore) Held(acl string) (prefixes map[netip.Prefix]bool, known bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	prefixes, known = s.held[acl]
	return prefixes, known || s.memory.Usages[acl] == nil
}

// RecordHeld keeps what may be in an ACL.
func (s *FileStore) RecordHeld(acl string, prefixes map[netip.Prefix]bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if last, known := s.held[acl]; !known || !maps.Equal(last, prefixes) {
		s.held[acl], s.unsaved = prefixes, true
	}
	_ = s.saveHeld() // Maintain tries again, and tells
}

// loadHeld begins with nothing where there is no file that can be read: then
// the ACLs that were written to have to be asked.
func (s *FileStore) loadHeld() {
	s.held = map[string]map[netip.Prefix]bool{}
	saved, err := desired.ReadHeld(s.home.HeldPath())
	if err != nil {
		return
	}
	for acl, prefixes := range saved {
		s.held[acl] = map[netip.Prefix]bool{}
		for _, p := range prefixes {
			s.held[acl][p] = true
		}
	}
}

// saveHeld makes it durable if it has changed.
func (s *FileStore) saveHeld() error {
	if !s.unsaved || !s.writing {
		return nil
	}
	all := desired.Held{}
	for acl, prefixes := range s.held {
		all[acl] = slices.SortedFunc(maps.Keys(prefixes), observed.Compare)
	}
	if err := desired.SaveHeld(s.home.HeldPath(), all); err != nil {
		return err
	}
	s.unsaved = false
	return nil
}
