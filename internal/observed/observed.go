// Package observed reads what is enforced now: the entries of Network ACLs and
// the host's firewall. owner.go holds the one definition of what is ours.
package observed

import (
	"net/netip"
	"sort"
	"time"
)

// State is everything that was observed. A target that could not be read is
// absent, never empty.
type State struct {
	Host *Host // nil: no host backend, or it could not be read
	ACLs []ACL // sorted by ID
}

// HostEntry is one prefix that the host's firewall blocks.
type HostEntry struct {
	Prefix netip.Prefix
	Until  time.Time // zero: permanent
}

// FindEntry gives the entry of exactly this prefix. The entries are sorted by it.
func FindEntry(entries []HostEntry, p netip.Prefix) (HostEntry, bool) {
	i, ok := sort.Find(len(entries), func(i int) int { return Compare(p, entries[i].Prefix) })
	if !ok {
		return HostEntry{}, false
	}
	return entries[i], true
}

// Host is the firewall of this machine as far as it is ours.
type Host struct {
	Entries   []HostEntry    // sorted by prefix (Compare), no prefix twice
	Defects   []string       // what is missing or wrong in chain, set and jump, in words; a repair mends all of them
	Overruled []Opening      // ways past our rule; the host does not enforce the bans that they let past
	Refused   []string       // hooks that are nowhere, in words: the configuration cannot be carried out as it is
	Unhooked  bool           // none of the hooks exists: nothing is made or moved
	Present   bool           // some part of ours (chain, set or jump) is there
	Lost      []netip.Prefix // were enforced at the last look and are gone without our doing; sorted
	ReadAt    time.Time
	PinnedAt  time.Time // when a jump was last moved up; zero: never
	Warnings  []string  // what a repair cannot mend: a hook that does not exist, a kernel without IPv6
	Saved     []Saved   // files of saved rules that hold ours, and so fail at a boot
	NoIPv6    bool      // this kernel cannot filter IPv6: there are no IPv6 entries, and none can be added
	Lingers   bool      // an entry does not go by itself when it is over (iptables); it must be removed
}

// Family of an entry, for quotas: IPv4 and IPv6 count apart.
type Family string

// The two families.
const (
	IPv4 Family = "ipv4"
	IPv6 Family = "ipv6"
)

// FamilyOf gives the family of a prefix.
func FamilyOf(p netip.Prefix) Family {
	if p.Addr().Is4() {
		return IPv4
	}
	return IPv6
}

// Families in the order in which they are shown.
var Families = []Family{IPv4, IPv6}

// DefaultRule is the first number of the default denies: 32767 for IPv4 and
// 32768 for IPv6 (Amazon VPC user guide, "Network ACL rules").
const DefaultRule = 32767

// Entry is one inbound rule of a Network ACL.
type Entry struct {
	Number int
	Prefix netip.Prefix // masked
	Allow  bool
	Shape  Shape
}

// Matches gives what an entry is about in words: the prefix alone when it is
// all traffic.
func (e Entry) Matches() string {
	if e.Shape.Protocol == ProtocolAll {
		return e.Prefix.String()
	}
	return e.Shape.String() + " from " + e.Prefix.String()
}

// Default says that the entry is one of the two that AWS keeps.
func (e Entry) Default() bool { return e.Number >= DefaultRule }

// Window is the range of rule numbers that bans may take, both ends included.
type Window struct {
	First int `json:"first"`
	Last  int `json:"last"`
}

// Contains says that number n lies in the window.
func (w Window) Contains(n int) bool { return w.First <= n && n <= w.Last }

// Usage is a window and a shape under which we have written to an ACL.
type Usage struct {
	Window Window `json:"window"`
	Shape  Shape  `json:"shape"`
	// IPv6Prefix is the width to which IPv6 bans were widened; 0 and 128: not at all.
	IPv6Prefix int `json:"ipv6_prefix,omitempty"`
}

// Doubt is a write whose outcome is not known: it may have had its effect,
// may have it later, or not at all.
type Doubt struct {
	Action string       // create, replace or delete
	Prefix netip.Prefix // what the write would leave there; invalid for a delete
	Since  time.Time
	// Repeated says that the number was written again since, so that one effect
	// that can be seen does not settle the doubt.
	Repeated bool
}

// ACL is one Network ACL's inbound side.
type ACL struct {
	ID      string
	Subnets []string      // whose ACL it is, sorted; nil: not known, empty: of none
	Entries []Entry       // sorted by number, the default denies included
	Doubts  map[int]Doubt // by rule number
	// Refused are bans that the API rejects as malformed; no slot is tried for them.
	Refused map[netip.Prefix]string
	Managed bool // AWS Firewall Manager keeps it
	// Denied are the actions that AWS denies us here, with what to say of it.
	Denied map[string]string
	Lost   map[netip.Prefix]bool // were there at the last look and are gone without our doing
	// Unshown are numbers that we have written and at which no later read has
	// shown our entry for sure.
	Unshown   map[int]bool
	Contested bool // entries where ours are have lately changed without our doing
	ReadAt    time.Time
}

// Count gives the number of inbound entries of one family, the default deny
// included: what AWS counts against the quota.
func (a ACL) Count(f Family) int {
	n := 0
	for _, e := range a.Entries {
		if FamilyOf(e.Prefix) == f {
			n++
		}
	}
	return n
}
