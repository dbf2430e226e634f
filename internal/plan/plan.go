// Package plan decides what to change. It is pure: it does no I/O, never logs,
// and takes the time as an argument.
package plan

import (
	"net/netip"
	"time"

	"reconciler/internal/desired"
	"reconciler/internal/observed"
)

// HostTarget is the Target of a change on this machine's firewall. Every other
// target is the ID of a Network ACL.
const HostTarget = "host"

// Action is what a change does.
type Action string

// The actions on an ACL, and those on the host.
const (
	Create  Action = "create"
	Replace Action = "replace"
	Delete  Action = "delete"

	Add     Action = "add"
	Refresh Action = "refresh" // the entry is there, its end is not right
	Remove  Action = "remove"  // with an invalid Prefix: the chain, set and jumps as a whole
	Repair  Action = "repair"  // chain, set and jumps are made right; has no prefix
	Pin     Action = "pin"     // the jump is moved to the top of its hook; has no prefix
)

// Change is one step. Its words are made once, here, so that a preview and an
// apply say the same.
type Change struct {
	Target string
	Action Action
	Rule   int            // the rule number in an ACL; 0 on the host
	Prefix netip.Prefix   // what is enforced afterwards; on the host also what a Remove removes
	Old    netip.Prefix   // what a Replace or a Delete expects to find
	Shape  observed.Shape // of the entry that is written (ACL)
	// OldShape is the shape of the entry that a Replace or Delete expects.
	OldShape observed.Shape
	// Looked is when the ACL was read as the plan knows it. A Replace or Delete
	// has no condition, so it must not rest on an old look.
	Looked time.Time
	Until  time.Time // zero: permanent
	Jails  []string
	Reason desired.Reason // why Old (or a host's Prefix) goes; empty for additions
	Why    string         // in words
	// Unnamed says of a removal that is withheld that the logs name next to nothing
	// of what its target enforces.
	Unnamed bool
	First   bool // a Repair of what was never there
}

// verb says what a change does, for people.
func (c Change) verb() string {
	if c.First {
		return "set up"
	}
	return string(c.Action)
}

// Key tells one change of a target from another.
type Key struct {
	Action Action
	Rule   int
	Prefix netip.Prefix
	Old    netip.Prefix
}

// Subject gives the prefix that a change is about; it may be invalid.
func Subject(c Change) netip.Prefix {
	if c.Prefix.IsValid() {
		return c.Prefix
	}
	return c.Old
}

// Key gives what the change is known by from one plan to the next.
func (c Change) Key() Key { return Key{Action: c.Action, Rule: c.Rule, Prefix: c.Prefix, Old: c.Old} }
