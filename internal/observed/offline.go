package observed

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

// errForm is the cause when a file is nothing that `plan --observed` takes.
var errForm = errors.New(`it must be {"acls": <output of aws ec2 describe-network-acls>, "host": [{"prefix", "until"}]}, or that output alone`)

// ReadOffline reads an observed state from a file instead of from the targets.
// What is mistyped must not look like an empty state, so everything that is not
// understood is an error with its place.
func ReadOffline(r io.Reader, now time.Time) (State, error) {
	text, err := io.ReadAll(r)
	if err != nil {
		return State{}, err
	}
	d := document(text)
	root, err := d.parse()
	if err != nil {
		return State{}, fmt.Errorf("%w; %w", err, errForm)
	}
	members, _ := root.value.([]member)
	_, list := root.value.([]node)
	if list || slices.ContainsFunc(members, func(m member) bool { return m.key == "NetworkAcls" }) {
		acls, err := d.acls(root, now)
		return State{ACLs: acls}, err
	}
	f, err := d.ours(root, "the file", "acls", "host", "NetworkAcls")
	if err != nil {
		return State{}, err
	}
	return d.state(f, members, now)
}

// state reads the form of our own.
func (d document) state(f fields, members []member, now time.Time) (s State, err error) {
	for _, m := range members {
		if m.value == nil {
			return State{}, d.fail(m.at, "%q is null; leave it out where nothing is known of it", m.key)
		}
	}
	acls, thereACLs := f.by["acls"]
	host, thereHost := f.by["host"]
	if !thereACLs && !thereHost {
		return State{}, d.fail(f.at, "there is neither %q nor %q in it; %w", "acls", "host", errForm)
	}
	if thereACLs {
		if s.ACLs, err = d.acls(acls, now); err != nil {
			return State{}, err
		}
	}
	if thereHost {
		s.Host, err = d.host(host, now)
	}
	return s, err
}

// acls reads the output of describe-network-acls, or the list that is in it.
func (d document) acls(n node, now time.Time) ([]ACL, error) {
	list, ok := n.value.([]node)
	if !ok {
		f, err := d.theirs(n, "the output of describe-network-acls", "NetworkAcls", "NextToken", "ResponseMetadata")
		if err != nil {
			return nil, err
		}
		if err := f.need("NetworkAcls"); err != nil {
			return nil, err
		}
		for _, ours := range []string{"acls", "host"} {
			members, _ := n.value.([]member)
			if i := slices.IndexFunc(members, func(m member) bool { return m.key == ours }); i >= 0 {
				return nil, d.fail(members[i].at, "%q does not stand beside \"NetworkAcls\"; %w", ours, errForm)
			}
		}
		if list, _, err = field[[]node](f, "NetworkAcls"); err != nil {
			return nil, err
		}
	}
	acls := []ACL{}
	for _, n := range list {
		acl, err := d.acl(n, now)
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(acls, func(a ACL) bool { return a.ID == acl.ID }) {
			return nil, d.fail(n.at, "the network ACL %s is there twice", acl.ID)
		}
		acls = append(acls, acl)
	}
	slices.SortFunc(acls, func(a, b ACL) int { return strings.Compare(a.ID, b.ID) })
	return acls, nil
}

func (d document) acl(n node, now time.Time) (ACL, error) {
	f, err := d.theirs(n, "a network ACL", "NetworkAclId", "Entries", "Associations", "IsDefault", "Tags", "VpcId", "OwnerId")
	if err != nil {
		return ACL{}, err
	}
	if err := f.need("NetworkAclId", "Entries"); err != nil {
		return ACL{}, err
	}
	var raw types.NetworkAcl
	id, _, err := field[string](f, "NetworkAclId")
	if err != nil {
		return ACL{}, err
	}
	raw.NetworkAclId = &id
	if raw.Entries, err = d.entries(f); err != nil {
		return ACL{}, err
	}
	if raw.Associations, err = d.associations(f); err != nil {
		return ACL{}, err
	}
	if raw.Tags, err = d.tags(f); err != nil {
		return ACL{}, err
	}
	acl, err := aclOf(raw, now)
	if _, told := f.by["Associations"]; !told {
		acl.Subnets = nil
	}
	return acl, err
}

func (d document) associations(f fields) (out []types.NetworkAclAssociation, err error) {
	list, _, err := field[[]node](f, "Associations")
	for _, n := range list {
		a, err := d.theirs(n, "an association", "SubnetId", "NetworkAclId", "NetworkAclAssociationId")
		if err != nil {
			return nil, err
		}
		subnet, _, err := field[string](a, "SubnetId")
		if err := errors.Join(err, a.need("SubnetId")); err != nil {
			return nil, err
		}
		out = append(out, types.NetworkAclAssociation{SubnetId: &subnet})
	}
	return out, err
}

func (d document) tags(f fields) (out []types.Tag, err error) {
	list, _, err := field[[]node](f, "Tags")
	for _, n := range list {
		t, err := d.theirs(n, "a tag", "Key", "Value")
		if err != nil {
			return nil, err
		}
		key, _, err := field[string](t, "Key")
		if err != nil {
			return nil, err
		}
		value, _, err := field[string](t, "Value")
		if err != nil {
			return nil, err
		}
		out = append(out, types.Tag{Key: &key, Value: &value})
	}
	return out, err
}

func (d document) entries(f fields) (out []types.NetworkAclEntry, err error) {
	list, _, err := field[[]node](f, "Entries")
	type place struct {
		egress bool
		number int32
	}
	seen := map[place]bool{}
	for _, n := range list {
		e, err := d.entry(n)
		if err != nil {
			return nil, err
		}
		at := place{*e.Egress, *e.RuleNumber}
		if seen[at] {
			return nil, d.fail(n.at, "rule %d is there twice in one direction", at.number)
		}
		seen[at] = true
		out = append(out, e)
	}
	return out, err
}

func (d document) entry(n node) (types.NetworkAclEntry, error) {
	var e types.NetworkAclEntry
	f, err := d.theirs(n, "an entry", "RuleNumber", "Protocol", "RuleAction", "Egress", "CidrBlock", "Ipv6CidrBlock", "PortRange", "IcmpTypeCode")
	if err != nil {
		return e, err
	}
	if err := f.need("RuleNumber", "Protocol", "RuleAction", "Egress"); err != nil {
		return e, err
	}
	protocol, _, err := field[string](f, "Protocol")
	if err != nil {
		return e, err
	}
	action, _, err := field[string](f, "RuleAction")
	if err != nil {
		return e, err
	}
	egress, _, err := field[bool](f, "Egress")
	if err != nil {
		return e, err
	}
	e.Protocol, e.RuleAction, e.Egress = &protocol, types.RuleAction(action), &egress
	if e.RuleNumber, err = f.number("RuleNumber", 1, DefaultRule+1); err != nil {
		return e, err
	}
	if e.CidrBlock, e.Ipv6CidrBlock, err = f.cidrs(); err != nil {
		return e, err
	}
	if e.PortRange, err = d.ports(f); err != nil {
		return e, err
	}
	if _, err := EntryOf(e); err != nil {
		return e, d.fail(n.at, "%w", err)
	}
	return e, nil
}

// cidrs gives the one prefix of an entry, under the key of its family.
func (f fields) cidrs() (v4, v6 *string, err error) {
	if err := f.need("CidrBlock"); err != nil {
		if f.need("Ipv6CidrBlock") != nil {
			return nil, nil, f.doc.fail(f.at, "%s has neither %q nor %q", f.what, "CidrBlock", "Ipv6CidrBlock")
		}
	} else if n, both := f.by["Ipv6CidrBlock"]; both {
		return nil, nil, f.doc.fail(n.at, "%s has both %q and %q", f.what, "CidrBlock", "Ipv6CidrBlock")
	}
	if v4, err = f.cidr("CidrBlock", netip.Addr.Is4); err != nil {
		return nil, nil, err
	}
	v6, err = f.cidr("Ipv6CidrBlock", func(a netip.Addr) bool { return a.Is6() && !a.Is4In6() })
	return v4, v6, err
}

func (f fields) cidr(key string, family func(netip.Addr) bool) (*string, error) {
	text, there, err := field[string](f, key)
	if err != nil || !there {
		return nil, err
	}
	if p, err := netip.ParsePrefix(text); err != nil || !family(p.Addr()) {
		return nil, f.doc.fail(f.by[key].at, "%q of %s is %q, which is no prefix of that family", key, f.what, text)
	}
	return &text, nil
}

// ports reads the range of an entry; nil when there is none.
func (d document) ports(f fields) (*types.PortRange, error) {
	n, there := f.by["PortRange"]
	if !there {
		return nil, nil //nolint:nilnil // as the API has it
	}
	p, err := d.theirs(n, "a port range", "From", "To")
	if err != nil {
		return nil, err
	}
	if err := p.need("From", "To"); err != nil {
		return nil, err
	}
	var r types.PortRange
	if r.From, err = p.number("From", 0, maxPort); err != nil {
		return nil, err
	}
	if r.To, err = p.number("To", int64(aws.ToInt32(r.From)), maxPort); err != nil {
		return nil, err
	}
	return &r, nil
}

// host reads what the host holds.
func (d document) host(n node, now time.Time) (*Host, error) {
	list, ok := n.value.([]node)
	if !ok {
		return nil, d.fail(n.at, "%q must be a list, and is %s", "host", kindOf(n))
	}
	h := &Host{Present: true, ReadAt: now}
	seen := map[netip.Prefix]bool{}
	for _, n := range list {
		e, err := d.hostEntry(n)
		if err != nil {
			return nil, err
		}
		if seen[e.Prefix] {
			return nil, d.fail(n.at, "the host entry %s is there twice", e.Prefix)
		}
		seen[e.Prefix] = true
		h.Entries = append(h.Entries, e)
	}
	slices.SortFunc(h.Entries, func(a, b HostEntry) int { return Compare(a.Prefix, b.Prefix) })
	return h, nil
}

// hostEntry reads one prefix and its end; null and no end are permanent.
func (d document) hostEntry(n node) (e HostEntry, err error) {
	f, err := d.ours(n, "a host entry", "prefix", "until")
	if err != nil {
		return e, err
	}
	prefix, _, err := field[string](f, "prefix")
	if err := errors.Join(err, f.need("prefix")); err != nil {
		return e, err
	}
	if e.Prefix, err = addressOrPrefix(prefix); err != nil {
		return e, d.fail(f.by["prefix"].at, "host entry %q: %w", prefix, err)
	}
	until, there, err := field[string](f, "until")
	if err != nil || !there {
		return e, err
	}
	if e.Until, err = time.Parse(time.RFC3339, until); err != nil {
		return e, d.fail(f.by["until"].at, "the end %q is no time such as 2026-03-01T12:30:00Z", until)
	}
	return e, nil
}
