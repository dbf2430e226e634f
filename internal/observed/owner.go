package observed

import (
	"cmp"
	"net/netip"
)

// Owner says whose an ACL entry is. Only Ours is ever changed or removed.
type Owner string

// The owners.
const (
	Ours      Owner = "ours"      // our shape, in a window of ours, and our records name its prefix
	Unclaimed Owner = "unclaimed" // our shape in a window of ours, but not in our records
	Foreign   Owner = "foreign"   // everything else that somebody made
	AWS       Owner = "aws"       // the default denies
)

// Records is what we have written down about one ACL before we wrote to it.
type Records struct {
	Usages []Usage // each window and shape ever used here, the current one included
	// Names says that a claim, or a lifted prefix whose removal is not yet
	// confirmed, stands for this prefix when IPv6 bans are widened to the width.
	Names     func(prefix netip.Prefix, ipv6Width int) bool
	Dedicated bool // every entry of our shape in the window is ours
}

// OwnerOf is THE definition of what is ours in a Network ACL. An entry has no
// tags, so ownership needs three things: a number in a window that we have
// recorded using on this ACL, the shape recorded with it, and our records
// naming its prefix. Records come before writes, so a crash between a write and
// its response leaves nothing of ours behind unowned.
func OwnerOf(e Entry, r Records) Owner {
	if e.Default() {
		return AWS
	}
	owner := Foreign
	for _, u := range r.Usages {
		if e.Allow || !u.Window.Contains(e.Number) || e.Shape != u.Shape {
			continue
		}
		if r.Dedicated || r.Names(e.Prefix, u.IPv6Prefix) {
			return Ours
		}
		owner = Unclaimed
	}
	return owner
}

// Shadow gives the lowest-numbered allow that overrules a deny of this prefix
// and shape at number n: the lowest matching number wins, and IPv4 rules never
// touch IPv6 traffic (Amazon VPC user guide, "Network ACL rules").
func (a ACL) Shadow(n int, prefix netip.Prefix, shape Shape) (Entry, bool) {
	for i := range a.Entries {
		e := &a.Entries[i]
		if e.Number >= n {
			break
		}
		if e.Allow && FamilyOf(e.Prefix) == FamilyOf(prefix) && e.Prefix.Overlaps(prefix) && e.Shape.Overlaps(shape) {
			return *e, true
		}
	}
	return Entry{}, false
}

// Effective says that no lower-numbered allow overrules the entry.
func (a ACL) Effective(e Entry) bool {
	_, shadowed := a.Shadow(e.Number, e.Prefix, e.Shape)
	return !shadowed
}

// At gives the entry with this rule number.
func (a ACL) At(n int) (Entry, bool) {
	for _, e := range a.Entries {
		if e.Number == n {
			return e, true
		}
	}
	return Entry{}, false
}

// Contains says that every address of q is in p.
func Contains(p, q netip.Prefix) bool {
	return p.Bits() <= q.Bits() && p.Contains(q.Addr())
}

// Compare orders prefixes without host bits as netip.Prefix.Compare does: by
// family, address and length. It takes half the time, for it need not mask.
func Compare(p, q netip.Prefix) int {
	if order := p.Addr().Compare(q.Addr()); order != 0 {
		return order
	}
	return cmp.Compare(p.Bits(), q.Bits())
}

// Widen gives the prefix that stands for p when IPv6 bans are widened.
// A width of 0 means 128.
func Widen(p netip.Prefix, ipv6Width int) netip.Prefix {
	if ipv6Width <= 0 || p.Addr().Is4() || p.Bits() <= ipv6Width {
		return p
	}
	return netip.PrefixFrom(p.Addr(), ipv6Width).Masked()
}
