package plan

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"reconciler/internal/desired"
	"reconciler/internal/observed"
)

// Builders for the table tests. Every table starts at `start`.

func pfx(text string) netip.Prefix { return netip.MustParsePrefix(text) }

// ban makes a ban that ends after d; zero is permanent.
func ban(prefix string, d time.Duration) desired.Ban {
	b := desired.Ban{Prefix: pfx(prefix), Jails: []string{"sshd"}}
	if d != 0 {
		b.Until = start.Add(d)
	}
	return b
}

func setOf(bans ...desired.Ban) desired.Set {
	slices.SortFunc(bans, func(a, b desired.Ban) int { return a.Prefix.Compare(b.Prefix) })
	return desired.Set{Bans: bans, Lifted: map[netip.Prefix]desired.Reason{}}
}

func lifted(s desired.Set, reason desired.Reason, names ...string) desired.Set {
	for _, p := range names {
		s.Lifted[pfx(p)] = reason
	}
	return s
}

func deny(n int, prefix string) observed.Entry {
	return observed.Entry{Number: n, Prefix: pfx(prefix), Shape: shapeAll}
}

func denySSH(n int, prefix string) observed.Entry {
	return observed.Entry{Number: n, Prefix: pfx(prefix), Shape: shapeSSH}
}

func allow(n int, prefix string) observed.Entry {
	return observed.Entry{Number: n, Prefix: pfx(prefix), Allow: true, Shape: shapeAll}
}

// aclOf makes an ACL with these entries and the default denies.
func aclOf(entries ...observed.Entry) observed.ACL {
	entries = append(entries, deny(observed.DefaultRule, "0.0.0.0/0"), deny(observed.DefaultRule+1, "::/0"))
	slices.SortFunc(entries, func(a, b observed.Entry) int { return a.Number - b.Number })
	return observed.ACL{ID: "acl-1", Entries: entries}
}

func named(id string, acl observed.ACL) observed.ACL {
	acl.ID = id
	return acl
}

// unshown makes an ACL at whose number no read has shown our entry yet.
func unshown(acl observed.ACL, n int) observed.ACL {
	acl.Unshown = map[int]bool{n: true}
	return acl
}

// changed makes an ACL whose entries others have changed lately.
func changed(acl observed.ACL) observed.ACL {
	acl.Contested = true
	return acl
}

func entry(prefix string, d time.Duration) observed.HostEntry {
	e := observed.HostEntry{Prefix: pfx(prefix)}
	if d != 0 {
		e.Until = start.Add(d)
	}
	return e
}

func hostOf(entries ...observed.HostEntry) *observed.Host {
	slices.SortFunc(entries, func(a, b observed.HostEntry) int { return a.Prefix.Compare(b.Prefix) })
	return &observed.Host{Entries: entries, Present: true}
}

// holding makes a host that holds every ban of a set.
func holding(s desired.Set) *observed.Host {
	var entries []observed.HostEntry
	for _, b := range s.Bans {
		entries = append(entries, observed.HostEntry{Prefix: b.Prefix, Until: b.Until})
	}
	return hostOf(entries...)
}

// standard are the limits of a default installation on one ACL.
func standard(change ...func(*Limits)) Limits {
	l := Limits{Window: observed.Window{First: 1, Last: 90}, Shape: shapeAll, Quota: 20, ACLs: []string{"acl-1"}, HostMode: HostAll, HookPin: true}
	for _, f := range change {
		f(&l)
	}
	return l
}

func overflow(l *Limits) { l.HostMode = HostOverflow }

func quota(n int) func(*Limits) { return func(l *Limits) { l.Quota = n } }

func window(first, last int) func(*Limits) {
	return func(l *Limits) { l.Window = observed.Window{First: first, Last: last} }
}

// used records an older window and shape of acl-1.
func used(first, last int, shape observed.Shape, width int) func(*Limits) {
	return func(l *Limits) {
		u := observed.Usage{Window: observed.Window{First: first, Last: last}, Shape: shape, IPv6Prefix: width}
		l.Usages = map[string][]observed.Usage{"acl-1": {u}}
	}
}

// words gives each change in one line, with its reason in words.
func words(changes []Change) []string {
	out := []string{}
	for _, c := range changes {
		out = append(out, Describe(c)+": "+c.Why)
	}
	return out
}

func wantWords(t *testing.T, changes []Change, want ...string) {
	t.Helper()
	if diff := cmp.Diff(append([]string{}, want...), words(changes)); diff != "" {
		t.Errorf("the changes are not as expected (-want +got):\n%s", diff)
	}
}

// aclCase is one row of a table about ForACL.
type aclCase struct {
	name   string
	set    desired.Set
	acl    observed.ACL
	host   *observed.Host // nil: one that holds every ban
	limits Limits
	want   []string
}

func runACL(t *testing.T, cases []aclCase) {
	t.Helper()
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			host := c.host
			if host == nil {
				host = holding(c.set)
			}
			changes, withheld := ForACL(Prepare(c.set, c.limits), c.acl, host, c.limits, start)
			wantWords(t, changes, c.want...)
			if len(withheld) > 0 {
				t.Errorf("nothing was to be withheld, but: %v", words(withheld))
			}
		})
	}
}
