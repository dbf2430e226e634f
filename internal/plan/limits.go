package plan

import (
	"fmt"

	"reconciler/internal/observed"
)

// HostMode says what the host's firewall holds.
type HostMode string

// The host modes.
const (
	HostAll      HostMode = "all"      // every ban; the ACL holds the foremost
	HostOverflow HostMode = "overflow" // only what the ACL does not hold
)

// Protected is an address range that is never banned, and the rule that says so.
type Protected = observed.Protected

// Guard keeps protected addresses and overly broad bans out.
type Guard struct {
	Protected []Protected
	MinIPv4   int // a ban broader than this is refused; 0: no limit
	MinIPv6   int
}

// Limits is what a plan must keep within.
type Limits struct {
	Window     observed.Window
	Shape      observed.Shape
	IPv6Prefix int // IPv6 bans are widened to this; 0 and 128: not at all
	Quota      int // entries per direction and family, the default deny included
	// Learned holds a lower quota that the API made known, by ACL and family.
	Learned   map[string]map[observed.Family]int
	Usages    map[string][]observed.Usage // what was recorded using, by ACL
	Dedicated bool
	Shared    map[string]bool // ACLs in whose window somebody else was seen to write
	Retired   map[string]bool // ACLs that were used before and are configured no longer
	ACLs      []string        // every ACL that is kept
	Subnets   []string        // of this host; empty: not known
	HostMode  HostMode
	NoHost    bool // there is no host back end (--host none)
	HostCap   int  // most entries on the host; 0: no limit of ours
	HookPin   bool // a jump that an earlier accept overrules is moved up
	Guard     Guard
	Force     bool // removals without a reason go through
	// Confirmed are those that an operator has seen withheld and let through.
	Confirmed map[Key]bool
	// Idle says why nothing is carried out at present: no daemon runs, say. It
	// changes no plan, only what is said of one. Empty: it is carried out.
	Idle string
}

// lets says that an operator lets a change through that no record explains.
func (l Limits) lets(c Change) bool { return l.Force || l.Confirmed[c.Key()] }

// quota gives what counts for one family of one ACL.
func (l Limits) quota(acl string, f observed.Family) int {
	if learned, ok := l.Learned[acl][f]; ok {
		return min(learned, l.Quota)
	}
	return l.Quota
}

// short says that an ACL takes less than the configuration has it, as AWS has made
// known; "" where it does not.
func (l Limits) short(acl string, f observed.Family) string {
	learned, ok := l.Learned[acl][f]
	if !ok || learned >= l.Quota {
		return ""
	}
	return fmt.Sprintf("%s: AWS takes only %s, the default deny included, and quota: says %d; have the quota L-2AEEBF1A raised, or set quota: %d",
		acl, Count(learned, string(f)+" rule", string(f)+" rules"), l.Quota, learned)
}

// Current is the usage that new entries get; it is recorded before the first write.
func (l Limits) Current() observed.Usage {
	u := observed.Usage{Window: l.Window, Shape: l.Shape}
	if l.IPv6Prefix != 128 {
		u.IPv6Prefix = l.IPv6Prefix
	}
	return u
}

// usages gives every usage of one ACL, the current one included.
func (l Limits) usages(acl string) []observed.Usage {
	all := append([]observed.Usage{}, l.Usages[acl]...)
	for _, u := range all {
		if u == l.Current() {
			return all
		}
	}
	return append(all, l.Current())
}
