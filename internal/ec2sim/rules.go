package ec2sim

import (
	"cmp"
	"slices"
)

// The functions here are the rules of Network ACLs. They change the world they
// are given and say whether anything changed; after an error that world is
// thrown away.

// find gives the place of an entry. Numbers are unique within a direction and
// shared by both families.
func (a *acl) find(egress bool, number int) (int, bool) {
	return slices.BinarySearchFunc(a.Entries, Entry{Egress: egress, Number: number}, compareEntries)
}

func compareEntries(a, b Entry) int {
	if a.Egress != b.Egress {
		if b.Egress {
			return -1
		}
		return 1
	}
	return cmp.Compare(a.Number, b.Number)
}

// count gives what the quota is held against: the entries of one direction and
// family, the default deny included.
func (a *acl) count(egress, ipv6 bool) int {
	n := 0
	for _, e := range a.Entries {
		if e.Egress == egress && e.ipv6() == ipv6 {
			n++
		}
	}
	return n
}

// insert puts an entry in its place, over the one that is there.
func (a *acl) insert(e Entry) {
	at, found := a.find(e.Egress, e.Number)
	if found {
		a.Entries[at] = e
		return
	}
	a.Entries = slices.Insert(a.Entries, at, e)
}

func (w *world) acl(id string) (*acl, *apiError) {
	a, ok := w.ACLs[id]
	if !ok {
		return nil, refuse(codeACLNotFound, "The networkAcl ID '%s' does not exist", id)
	}
	return a, nil
}

// createEntry adds an entry. One that is identical to what is there succeeds
// without a change, whatever the quota.
func (w *world) createEntry(id string, e Entry) (bool, *apiError) {
	a, err := w.acl(id)
	if err != nil {
		return false, err
	}
	if at, found := a.find(e.Egress, e.Number); found {
		if a.Entries[at] == e {
			return false, nil
		}
		return false, refuse(codeEntryExists, "The network acl entry identified by %d already exists.", e.Number)
	}
	if err := w.room(a, e); err != nil {
		return false, err
	}
	a.insert(e)
	return true, nil
}

// replaceEntry changes an entry that is there. Only a change of family can meet
// the quota: it frees one family's place and takes the other's.
func (w *world) replaceEntry(id string, e Entry) (bool, *apiError) {
	a, err := w.acl(id)
	if err != nil {
		return false, err
	}
	at, found := a.find(e.Egress, e.Number)
	if !found {
		return false, noEntry(e.Egress, e.Number)
	}
	old := a.Entries[at]
	if old.ipv6() != e.ipv6() {
		if err := w.room(a, e); err != nil {
			return false, err
		}
	}
	a.insert(e)
	return old != e, nil
}

func (w *world) deleteEntry(id string, egress bool, number int) (bool, *apiError) {
	a, err := w.acl(id)
	if err != nil {
		return false, err
	}
	at, found := a.find(egress, number)
	if !found {
		return false, noEntry(egress, number)
	}
	a.Entries = slices.Delete(a.Entries, at, at+1)
	return true, nil
}

// room refuses one more entry of this direction and family at the quota.
func (w *world) room(a *acl, e Entry) *apiError {
	if a.count(e.Egress, e.ipv6()) >= w.Quota {
		return refuse(codeEntryLimit, "The maximum number of network acl entries has been reached.")
	}
	return nil
}

func noEntry(egress bool, number int) *apiError {
	direction := "ingress"
	if egress {
		direction = "egress"
	}
	return refuse(codeEntryNotFound, "no %s entry with number %d", direction, number)
}
