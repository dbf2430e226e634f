package ec2sim

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/google/renameio/v2"
)

// Save writes the account to a JSON file, whole or not at all.
func (s *Server) Save(path string) error {
	s.mu.Lock()
	w := s.present()
	s.mu.Unlock()
	return save(path, w)
}

// Load replaces the account by the one in a file, quota included. A file that
// breaks the rules is refused and changes nothing.
func (s *Server) Load(path string) error {
	w, err := load(path)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.history = []version{{since: s.now(), world: w}}
	return nil
}

// Persist keeps the account in a file from now on: it is loaded where it
// exists, in place of what was built so far, written where it does not, and
// written before every change, so that a change that cannot be kept is refused
// with InternalError. It says whether the file was there. Build first, then
// persist: a build has no caller to refuse.
func (s *Server) Persist(path string) (existed bool, err error) {
	err = s.Load(path)
	switch {
	case err == nil:
		existed = true
	case !errors.Is(err, fs.ErrNotExist):
		return false, err
	default:
		if err := s.Save(path); err != nil {
			return false, err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.path = path
	return existed, nil
}

func save(path string, w *world) error {
	b, err := json.MarshalIndent(w, "", "  ")
	if err != nil {
		return fmt.Errorf("encoding the simulated account: %w", err)
	}
	if err := renameio.WriteFile(path, append(b, '\n'), 0o600); err != nil {
		return fmt.Errorf("saving the simulated account to %s: %w", path, err)
	}
	return nil
}

func load(path string) (*world, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading the simulated account: %w", err)
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	w := newWorld(DefaultQuota)
	if err := d.Decode(w); err != nil {
		return nil, fmt.Errorf("reading the simulated account from %s (remove the file to start anew): %w", path, err)
	}
	if err := w.check(); err != nil {
		return nil, fmt.Errorf("the simulated account in %s breaks a rule (remove the file to start anew): %w", path, err)
	}
	return w, nil
}

// check holds a whole world to the rules. More entries than the quota are no
// breach: a quota can be lowered.
func (w *world) check() error {
	for id, v := range w.VPCs {
		if v == nil || v.ID != id || !wellFormed(id, "vpc") || !v.IPv4.Addr().Is4() {
			return fmt.Errorf("VPC %q is not whole", id)
		}
	}
	for id, a := range w.ACLs {
		if a == nil || a.ID != id || !wellFormed(id, "acl") || w.VPCs[a.VPC] == nil {
			return fmt.Errorf("ACL %q is not whole", id)
		}
		if err := w.checkEntries(a); err != nil {
			return err
		}
	}
	for id, n := range w.Subnets {
		if n == nil || n.ID != id || !wellFormed(id, "subnet") || !n.IPv4.Addr().Is4() ||
			w.ACLs[n.ACL] == nil || w.ACLs[n.ACL].VPC != n.VPC || n.AssociationID == "" {
			return fmt.Errorf("subnet %q is not whole", id)
		}
	}
	for id, d := range w.Interfaces {
		if d == nil || d.ID != id || !wellFormed(id, "eni") || w.Subnets[d.Subnet] == nil ||
			len(d.Private) == 0 || len(d.Public) > len(d.Private) {
			return fmt.Errorf("interface %q is not whole", id)
		}
	}
	return nil
}

// checkEntries wants every entry in order and within the rules, and the default
// denies in place.
func (w *world) checkEntries(a *acl) error {
	for i, e := range a.Entries {
		if i > 0 && compareEntries(a.Entries[i-1], e) >= 0 {
			return fmt.Errorf("ACL %s: entry %d is out of order or there twice", a.ID, e.Number)
		}
		switch e {
		case defaultDeny(e.Egress, DefaultRuleIPv4, anyIPv4), defaultDeny(e.Egress, DefaultRuleIPv6, anyIPv6):
			continue
		}
		if err := e.check(); err != nil {
			return fmt.Errorf("ACL %s: entry %d: %w", a.ID, e.Number, err)
		}
	}
	for _, egress := range []bool{false, true} {
		_, has4 := a.find(egress, DefaultRuleIPv4)
		_, has6 := a.find(egress, DefaultRuleIPv6)
		if !has4 || has6 != w.VPCs[a.VPC].IPv6.IsValid() {
			return fmt.Errorf("ACL %s: a default deny is missing or out of place", a.ID)
		}
	}
	return nil
}

func wellFormed(id, kind string) bool {
	p := newParams(nil)
	p.id(id, kind, codeIDInvalid)
	return p.err == nil
}
