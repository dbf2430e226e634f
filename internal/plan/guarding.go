package plan

import (
	"fmt"
	"slices"
	"strings"

	"reconciler/internal/observed"
)

// guards reports whether packets to this host pass the ACL. Where the subnets
// of either are not known it is believed, for somebody has named it; an ACL of
// no subnet at all guards nothing.
func (l Limits) guards(acl observed.ACL) bool {
	switch {
	case acl.Subnets == nil:
		return true
	case len(l.Subnets) == 0:
		return len(acl.Subnets) > 0
	}
	return slices.ContainsFunc(acl.Subnets, func(s string) bool { return slices.Contains(l.Subnets, s) })
}

// around gives the ACLs that stand around this host, so that what all of them
// block is at the edge: none when a packet may reach it through an ACL that is
// not kept or was not read.
func (l Limits) around(acls []observed.ACL) []observed.ACL {
	var around []observed.ACL
	for _, id := range l.ACLs {
		i := slices.IndexFunc(acls, func(a observed.ACL) bool { return a.ID == id })
		if i < 0 && len(l.Subnets) == 0 {
			return nil
		}
		if i >= 0 && l.guards(acls[i]) {
			around = append(around, acls[i])
		}
	}
	if len(l.open(around)) > 0 {
		return nil
	}
	return around
}

// open gives the subnets of this host that none of the ACLs guards.
func (l Limits) open(acls []observed.ACL) []string {
	return slices.DeleteFunc(slices.Clone(l.Subnets), func(subnet string) bool {
		return slices.ContainsFunc(acls, func(a observed.ACL) bool { return a.Subnets == nil || slices.Contains(a.Subnets, subnet) })
	})
}

// Guarding tells which ACLs do nothing for this host, and where no ACL
// stands before it.
func Guarding(acls []observed.ACL, limits Limits) []string {
	var out []string
	var kept []observed.ACL
	for _, acl := range acls {
		if !slices.Contains(limits.ACLs, acl.ID) {
			continue
		}
		kept = append(kept, acl)
		if !limits.guards(acl) {
			out = append(out, limits.idle(acl)+"; its entries do not count as enforcement: name the ACL of this host's subnets with --nacl, or use --nacl auto")
		}
	}
	if open := limits.open(kept); len(open) > 0 && len(kept) == len(limits.ACLs) && len(kept) > 0 {
		out = append(out, fmt.Sprintf("no network ACL that is kept guards %s of this host: nothing is blocked at its edge", strings.Join(open, ", ")))
	}
	return out
}

// idle says why an ACL guards nothing of this host.
func (l Limits) idle(acl observed.ACL) string {
	if len(acl.Subnets) == 0 {
		return acl.ID + " guards no subnet at all"
	}
	return fmt.Sprintf("%s guards no subnet of this host (%s)", acl.ID, strings.Join(l.Subnets, ", "))
}

// Believed names the ACLs that count as this host's without a proof, because
// its subnets are not known; empty: none.
func Believed(acls []observed.ACL, limits Limits) string {
	var ids []string
	for _, acl := range acls {
		if len(limits.Subnets) == 0 && slices.Contains(limits.ACLs, acl.ID) && limits.guards(acl) {
			ids = append(ids, acl.ID)
		}
	}
	if len(ids) == 0 {
		return ""
	}
	return fmt.Sprintf("the subnets of this host are not known: %s counts as guarding it because it is configured", strings.Join(ids, ", "))
}
