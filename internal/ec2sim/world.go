package ec2sim

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
)

// account is the number of the one account, as in Amazon's own examples.
const account = "123456789012"

// world is everything that exists at one instant. A published world is never
// changed: a write works on a clone, so that a failed call changes nothing and
// a stale read is a look at an older world.
type world struct {
	Quota      int                   `json:"quota"`
	Serial     uint64                `json:"serial"`
	Instance   string                `json:"instance"`
	VPCs       map[string]*vpc       `json:"vpcs"`
	Subnets    map[string]*subnet    `json:"subnets"`
	ACLs       map[string]*acl       `json:"acls"`
	Interfaces map[string]*netDevice `json:"interfaces"`
}

type tags map[string]string

type vpc struct {
	ID   string       `json:"id"`
	IPv4 netip.Prefix `json:"ipv4"`
	IPv6 netip.Prefix `json:"ipv6,omitzero"`
	Tags tags         `json:"tags,omitempty"`
}

// subnet holds its association too: a subnet always has exactly one ACL.
type subnet struct {
	ID            string       `json:"id"`
	VPC           string       `json:"vpc"`
	Zone          string       `json:"zone"`
	IPv4          netip.Prefix `json:"ipv4"`
	IPv6          netip.Prefix `json:"ipv6,omitzero"`
	ACL           string       `json:"acl"`
	AssociationID string       `json:"association"`
	Tags          tags         `json:"tags,omitempty"`
}

type acl struct {
	ID      string  `json:"id"`
	VPC     string  `json:"vpc"`
	Default bool    `json:"default,omitempty"`
	Entries []Entry `json:"entries"` // sorted, ingress first
	Tags    tags    `json:"tags,omitempty"`
}

// netDevice is a network interface of the one instance.
type netDevice struct {
	ID      string       `json:"id"`
	Subnet  string       `json:"subnet"`
	MAC     string       `json:"mac"`
	Device  int          `json:"device"`
	Private []netip.Addr `json:"private"`
	Public  []netip.Addr `json:"public,omitempty"`
	IPv6    []netip.Addr `json:"ipv6,omitempty"`
	Tags    tags         `json:"tags,omitempty"`
}

func newWorld(quota int) *world {
	w := &world{
		Quota:      quota,
		VPCs:       map[string]*vpc{},
		Subnets:    map[string]*subnet{},
		ACLs:       map[string]*acl{},
		Interfaces: map[string]*netDevice{},
	}
	w.Instance = w.newID("i")
	return w
}

// clone copies what a write may change: the maps, the ACLs' entries and tags.
func (w *world) clone() *world {
	c := *w
	c.VPCs = cloneMap(w.VPCs, func(v vpc) vpc { v.Tags = maps.Clone(v.Tags); return v })
	c.Subnets = cloneMap(w.Subnets, func(s subnet) subnet { s.Tags = maps.Clone(s.Tags); return s })
	c.Interfaces = cloneMap(w.Interfaces, func(n netDevice) netDevice { n.Tags = maps.Clone(n.Tags); return n })
	c.ACLs = cloneMap(w.ACLs, func(a acl) acl {
		a.Entries, a.Tags = slices.Clone(a.Entries), maps.Clone(a.Tags)
		return a
	})
	return &c
}

func cloneMap[T any](m map[string]*T, deep func(T) T) map[string]*T {
	c := make(map[string]*T, len(m))
	for id, v := range m {
		d := deep(*v)
		c[id] = &d
	}
	return c
}

// newID makes an identifier of 17 hexadecimal digits. The sequence is the same
// in every run; the multiplier only makes neighbours look different.
func (w *world) newID(kind string) string {
	w.Serial++
	return fmt.Sprintf("%s-0%016x", kind, w.Serial*0x9E3779B97F4A7C15)
}

// sorted lists a map's values in the order of their identifiers.
func sorted[T any](m map[string]*T) []*T {
	out := make([]*T, 0, len(m))
	for _, id := range slices.Sorted(maps.Keys(m)) {
		out = append(out, m[id])
	}
	return out
}

// subnetsOf lists the subnets that are associated with an ACL.
func (w *world) subnetsOf(aclID string) []*subnet {
	var out []*subnet
	for _, s := range sorted(w.Subnets) {
		if s.ACL == aclID {
			out = append(out, s)
		}
	}
	return out
}

// devices lists the interfaces in the order of their device numbers.
func (w *world) devices() []*netDevice {
	out := sorted(w.Interfaces)
	slices.SortFunc(out, func(a, b *netDevice) int { return a.Device - b.Device })
	return out
}

// arn names a resource in messages about permissions.
func arn(region, kind, id string) string {
	return fmt.Sprintf("arn:aws:ec2:%s:%s:%s/%s", region, account, kind, id)
}
