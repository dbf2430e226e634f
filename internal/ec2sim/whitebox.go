package ec2sim

import (
	"fmt"
	"slices"
)

// Entries gives all entries of an ACL, ingress before egress, by number. It
// sees the present, whatever the API would answer. An unknown ACL has none.
func (s *Server) Entries(aclID string) []Entry {
	s.mu.Lock()
	defer s.mu.Unlock()
	a, ok := s.present().ACLs[aclID]
	if !ok {
		return nil
	}
	return slices.Clone(a.Entries)
}

// ACLs lists the identifiers of all ACLs.
func (s *Server) ACLs() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []string
	for _, a := range sorted(s.present().ACLs) {
		out = append(out, a.ID)
	}
	return out
}

// VPCOf gives the VPC of an ACL, empty for an unknown one.
func (s *Server) VPCOf(aclID string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if a, ok := s.present().ACLs[aclID]; ok {
		return a.VPC
	}
	return ""
}

// SubnetsOf lists the subnets that are under an ACL.
func (s *Server) SubnetsOf(aclID string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []string
	for _, n := range s.present().subnetsOf(aclID) {
		out = append(out, n.ID)
	}
	return out
}

// Quota gives the rules per direction and family.
func (s *Server) Quota() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.present().Quota
}

// SetQuota changes the quota from now on. Entries above a lower one stay, as
// they do with AWS. A state file learns of it with the next change.
func (s *Server) SetQuota(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	w := s.present().clone()
	w.Quota = n
	s.history[len(s.history)-1].world = w
}

// PutEntry is an edit by somebody else: it creates the entry or replaces the
// one at its number, within the rules. It is no call, and stale reads may miss
// it. The prefix must be masked.
func (s *Server) PutEntry(aclID string, e Entry) error {
	return s.edit(func(w *world) (bool, *apiError) {
		if err := e.check(); err != nil {
			return false, err
		}
		a, err := w.acl(aclID)
		if err != nil {
			return false, err
		}
		if _, found := a.find(e.Egress, e.Number); found {
			return w.replaceEntry(aclID, e)
		}
		return w.createEntry(aclID, e)
	})
}

// ForceEntry puts an entry in place without regard for the quota, as when AWS
// lowered it since. All other rules hold.
func (s *Server) ForceEntry(aclID string, e Entry) error {
	return s.edit(func(w *world) (bool, *apiError) {
		if err := e.check(); err != nil {
			return false, err
		}
		a, err := w.acl(aclID)
		if err != nil {
			return false, err
		}
		a.insert(e)
		return true, nil
	})
}

// RemoveEntry is a removal by somebody else. The default denies cannot go.
func (s *Server) RemoveEntry(aclID string, egress bool, number int) error {
	return s.edit(func(w *world) (bool, *apiError) {
		if number > MaxRule {
			return false, badValue(fmt.Sprint(number), "RuleNumber", "It must be between 1 and 32766.")
		}
		return w.deleteEntry(aclID, egress, number)
	})
}

// RemoveACL is the removal of an ACL and of the subnets under it by somebody
// else.
func (s *Server) RemoveACL(aclID string) error {
	return s.edit(func(w *world) (bool, *apiError) {
		if _, err := w.acl(aclID); err != nil {
			return false, err
		}
		for _, n := range w.subnetsOf(aclID) {
			for id, d := range w.Interfaces {
				if d.Subnet == n.ID {
					delete(w.Interfaces, id)
				}
			}
			delete(w.Subnets, n.ID)
		}
		delete(w.ACLs, aclID)
		return true, nil
	})
}

// Associate puts a subnet under another ACL of its VPC, by somebody else's
// hand.
func (s *Server) Associate(subnetID, aclID string) error {
	return s.edit(func(w *world) (bool, *apiError) {
		n, ok := w.Subnets[subnetID]
		if !ok {
			return false, refuse("InvalidSubnetID.NotFound", "The subnet ID '%s' does not exist", subnetID)
		}
		_, err := w.associate(n.AssociationID, aclID)
		return true, err
	})
}

// edit makes a change that is no call but has its place in the history.
func (s *Server) edit(f func(*world) (bool, *apiError)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	w := s.present().clone()
	changed, err := f(w)
	if err != nil {
		return err
	}
	if !changed {
		return nil
	}
	return s.commit(w)
}
