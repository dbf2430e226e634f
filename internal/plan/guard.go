package plan

import (
	"fmt"
	"net/netip"

	"github.com/gaissmai/bart"

	"reconciler/internal/desired"
	"reconciler/internal/observed"
)

// always are the ranges that no configuration can ban: loopback, unspecified,
// link-local and multicast (IANA special-purpose address registries), and where
// EC2 has metadata, resolver and clock for IPv6 (EC2 user guide, "Access
// instance metadata"); for IPv4 those are link-local.
var always = []Protected{
	{Prefix: netip.MustParsePrefix("0.0.0.0/8"), Rule: "the unspecified range"},
	{Prefix: netip.MustParsePrefix("127.0.0.0/8"), Rule: "loopback"},
	{Prefix: netip.MustParsePrefix("169.254.0.0/16"), Rule: "link-local"},
	{Prefix: netip.MustParsePrefix("224.0.0.0/4"), Rule: "multicast"},
	{Prefix: netip.MustParsePrefix("255.255.255.255/32"), Rule: "broadcast"},
	{Prefix: netip.MustParsePrefix("::/128"), Rule: "the unspecified address"},
	{Prefix: netip.MustParsePrefix("::1/128"), Rule: "loopback"},
	{Prefix: netip.MustParsePrefix("fd00:ec2::/32"), Rule: "the link-local services of EC2"},
	{Prefix: netip.MustParsePrefix("fe80::/10"), Rule: "link-local"},
	{Prefix: netip.MustParsePrefix("ff00::/8"), Rule: "multicast"},
}

type guard struct {
	limits Guard
	rules  []Protected
	index  bart.Lite
}

// newGuard keeps out what the limits protect, and what an operator allows.
func newGuard(limits Guard, allowed []desired.Allowed) *guard {
	g := &guard{limits: limits}
	g.rules = append(append(g.rules, always...), limits.Protected...)
	for _, a := range allowed {
		g.rules = append(g.rules, Protected{Prefix: a.Prefix, Rule: "allowed by `reconciler allow`"})
	}
	for _, r := range g.rules {
		g.index.Insert(r.Prefix)
	}
	return g
}

// refuses says whether a ban must not be, and which rule makes it so. A ban
// that overlaps a protected range, either way round, is refused whole.
func (g *guard) refuses(p netip.Prefix) (string, bool) {
	least := g.limits.MinIPv6
	if p.Addr().Is4() {
		least = g.limits.MinIPv4
	}
	if p.Bits() < least {
		return fmt.Sprintf("is broader than /%d", least), true
	}
	if !g.index.OverlapsPrefix(p) {
		return "", false
	}
	for _, r := range g.rules {
		if r.Prefix.Overlaps(p) {
			return fmt.Sprintf("overlaps %s (%s)", r.Prefix, r.Rule), true
		}
	}
	return "", false
}

// Refuser returns the judgement that Prepare makes of each ban: whether it must
// not be, as wide as it would be enforced, and which rule says so.
func Refuser(set desired.Set, limits Limits) func(netip.Prefix) (why string, refused bool) {
	g := newGuard(limits.Guard, set.Allowed)
	return func(p netip.Prefix) (string, bool) {
		return g.refuses(limits.Widened(p))
	}
}

// Widened returns a ban's prefix as wide as it is enforced.
func (l Limits) Widened(p netip.Prefix) netip.Prefix { return observed.Widen(p, l.IPv6Prefix) }
