package plan

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"time"

	"reconciler/internal/observed"
)

// The errors of the fake ACL, after those of the EC2 API.
var (
	errExists   = errors.New("NetworkAclEntryAlreadyExists")
	errLimit    = errors.New("NetworkAclEntryLimitExceeded")
	errNotFound = errors.New("InvalidNetworkAclEntry.NotFound")
	errInvalid  = errors.New("InvalidParameterValue")
	errConflict = errors.New("the entry is not what the plan expects")
)

// fakeACL is the inbound side of a Network ACL with AWS's rules: the quota of a
// family counts the default deny, Create of an identical entry succeeds, of
// another one fails, and Replace and Delete need the entry. Before the latter
// two it looks, as the loop does, whether the entry is what the plan expects.
type fakeACL struct {
	id      string
	quota   map[observed.Family]int
	entries map[int]observed.Entry
}

func (f *fakeACL) clone() *fakeACL {
	return &fakeACL{id: f.id, quota: f.quota, entries: maps.Clone(f.entries)}
}

// observe gives what DescribeNetworkAcls would.
func (f *fakeACL) observe() observed.ACL {
	acl := observed.ACL{ID: f.id}
	for _, n := range slices.Sorted(maps.Keys(f.entries)) {
		acl.Entries = append(acl.Entries, f.entries[n])
	}
	return acl
}

func (f *fakeACL) count(family observed.Family) int { return f.observe().Count(family) }

func (f *fakeACL) full(family observed.Family) bool { return f.count(family) >= f.quota[family] }

func (f *fakeACL) apply(c Change) error {
	switch c.Action {
	case Create:
		return f.create(c)
	case Replace:
		return f.replace(c)
	case Delete:
		return f.delete(c)
	}
	return fmt.Errorf("%w: an ACL cannot %s", errInvalid, c.Action)
}

func (f *fakeACL) create(c Change) error {
	want := observed.Entry{Number: c.Rule, Prefix: c.Prefix, Shape: c.Shape}
	if c.Rule < 1 || c.Rule >= observed.DefaultRule || !c.Prefix.IsValid() || c.Prefix != c.Prefix.Masked() {
		return errInvalid
	}
	if old, there := f.entries[c.Rule]; there {
		if old == want {
			return nil
		}
		return errExists
	}
	if f.full(observed.FamilyOf(c.Prefix)) {
		return errLimit
	}
	f.entries[c.Rule] = want
	return nil
}

func (f *fakeACL) replace(c Change) error {
	want := observed.Entry{Number: c.Rule, Prefix: c.Prefix, Shape: c.Shape}
	old, there := f.entries[c.Rule]
	switch {
	case !there:
		return errNotFound
	case old == want:
		return nil
	case old != observed.Entry{Number: c.Rule, Prefix: c.Old, Shape: c.OldShape}:
		return errConflict
	case observed.FamilyOf(c.Old) != observed.FamilyOf(c.Prefix):
		return errInvalid
	}
	f.entries[c.Rule] = want
	return nil
}

func (f *fakeACL) delete(c Change) error {
	old, there := f.entries[c.Rule]
	switch {
	case !there:
		return nil // not found, which is what was wanted
	case old != observed.Entry{Number: c.Rule, Prefix: c.Old, Shape: c.OldShape}:
		return errConflict
	}
	delete(f.entries, c.Rule)
	return nil
}

// fakeHost is the host's firewall: a set whose entries end by themselves, or,
// when lingers, rules that stay until they are removed.
type fakeHost struct {
	observed.Host // without its entries
	ends          map[netip.Prefix]time.Time
}

func (f *fakeHost) clone() *fakeHost { return &fakeHost{Host: f.Host, ends: maps.Clone(f.ends)} }

// tick drops what the kernel drops.
func (f *fakeHost) tick(now time.Time) {
	if !f.Lingers {
		maps.DeleteFunc(f.ends, func(_ netip.Prefix, end time.Time) bool { return !end.IsZero() && !now.Before(end) })
	}
}

func (f *fakeHost) observe() *observed.Host {
	host := f.Host
	for _, p := range slices.SortedFunc(maps.Keys(f.ends), netip.Prefix.Compare) {
		host.Entries = append(host.Entries, observed.HostEntry{Prefix: p, Until: f.ends[p]})
	}
	return &host
}

func (f *fakeHost) apply(c Change, now time.Time) error {
	switch c.Action {
	case Add, Refresh:
		if f.NoIPv6 && !c.Prefix.Addr().Is4() || !c.Prefix.IsValid() {
			return errInvalid
		}
		end := c.Until
		if !end.IsZero() && end.After(now.Add(MaxTimeout)) && !f.Lingers {
			end = now.Add(MaxTimeout)
		}
		f.ends[c.Prefix], f.Present = end, true
	case Remove:
		if !c.Prefix.IsValid() {
			f.Defects, f.Overruled, f.Present = nil, nil, false
			clear(f.ends)
		}
		delete(f.ends, c.Prefix)
	case Repair:
		f.Defects, f.Present = nil, true
	case Pin:
		f.Overruled, f.PinnedAt = nil, now
	default:
		return errInvalid
	}
	return nil
}

// blocks says that the firewall stops the whole prefix at this moment.
func (f *fakeHost) blocks(p netip.Prefix, now time.Time) bool {
	if f == nil || len(f.Defects) > 0 || len(f.Overruled) > 0 {
		return false
	}
	for q, end := range f.ends {
		if observed.Contains(q, p) && (end.IsZero() || now.Before(end)) {
			return true
		}
	}
	return false
}
