package ec2sim

import (
	"fmt"
	"net/netip"
	"strconv"
)

func one(s string) []string { return []string{s} }

func keys(t tags) []string {
	out := make([]string, 0, len(t))
	for k := range t {
		out = append(out, k)
	}
	return out
}

// eachEntry makes a filter of what one entry says. The entry filters are judged
// one by one: two of them may be met by different entries.
func eachEntry(f func(Entry) []string) func(*world, *acl) []string {
	return func(_ *world, a *acl) []string {
		var out []string
		for _, e := range a.Entries {
			out = append(out, f(e)...)
		}
		return out
	}
}

// eachSubnet makes a filter of what one associated subnet says.
func eachSubnet(f func(*subnet) string) func(*world, *acl) []string {
	return func(w *world, a *acl) []string {
		var out []string
		for _, s := range w.subnetsOf(a.ID) {
			out = append(out, f(s))
		}
		return out
	}
}

var aclKind = kind[*acl]{
	param: "NetworkAclId", prefix: "acl", name: "NetworkAclID", internal: "networkAcl",
	id:   func(a *acl) string { return a.ID },
	tags: func(a *acl) tags { return a.Tags },
	filters: map[string]func(*world, *acl) []string{
		"association.association-id": eachSubnet(func(s *subnet) string { return s.AssociationID }),
		"association.network-acl-id": eachSubnet(func(s *subnet) string { return s.ACL }),
		"association.subnet-id":      eachSubnet(func(s *subnet) string { return s.ID }),
		"default":                    func(_ *world, a *acl) []string { return one(strconv.FormatBool(a.Default)) },
		"network-acl-id":             func(_ *world, a *acl) []string { return one(a.ID) },
		"owner-id":                   func(*world, *acl) []string { return one(account) },
		"vpc-id":                     func(_ *world, a *acl) []string { return one(a.VPC) },
		"tag-key":                    func(_ *world, a *acl) []string { return keys(a.Tags) },
		"entry.cidr":                 eachEntry(func(e Entry) []string { return when(!e.ipv6(), e.Prefix) }),
		"entry.ipv6-cidr":            eachEntry(func(e Entry) []string { return when(e.ipv6(), e.Prefix) }),
		"entry.egress":               eachEntry(func(e Entry) []string { return when(true, e.Egress) }),
		"entry.icmp.code":            eachEntry(func(e Entry) []string { return when(e.hasICMP(), e.ICMP.Code) }),
		"entry.icmp.type":            eachEntry(func(e Entry) []string { return when(e.hasICMP(), e.ICMP.Type) }),
		"entry.port-range.from":      eachEntry(func(e Entry) []string { return when(e.hasPorts(), e.Ports.From) }),
		"entry.port-range.to":        eachEntry(func(e Entry) []string { return when(e.hasPorts(), e.Ports.To) }),
		"entry.protocol":             eachEntry(protocolNames),
		"entry.rule-action":          eachEntry(func(e Entry) []string { return one(renderEntry(e).RuleAction) }),
		"entry.rule-number":          eachEntry(func(e Entry) []string { return when(true, e.Number) }),
	},
}

// when gives a value as text if the condition holds.
func when(ok bool, v any) []string {
	if !ok {
		return nil
	}
	return one(fmt.Sprint(v))
}

// protocolNames gives the number, and the name of the three protocols that the
// filter knows by name.
func protocolNames(e Entry) []string {
	names := map[string]string{protocolTCP: "tcp", protocolUDP: "udp", protocolICMP: "icmp"}
	if name, ok := names[e.Protocol]; ok {
		return []string{e.Protocol, name}
	}
	return one(e.Protocol)
}

var vpcKind = kind[*vpc]{
	param: "VpcId", prefix: "vpc", name: "VpcID", internal: "vpc",
	id:   func(v *vpc) string { return v.ID },
	tags: func(v *vpc) tags { return v.Tags },
	filters: map[string]func(*world, *vpc) []string{
		"vpc-id":   func(_ *world, v *vpc) []string { return one(v.ID) },
		"owner-id": func(*world, *vpc) []string { return one(account) },
		"state":    func(*world, *vpc) []string { return one("available") },
		"cidr":     func(_ *world, v *vpc) []string { return one(v.IPv4.String()) },
		"tag-key":  func(_ *world, v *vpc) []string { return keys(v.Tags) },
		"cidr-block-association.cidr-block": func(_ *world, v *vpc) []string {
			return one(v.IPv4.String())
		},
		"ipv6-cidr-block-association.ipv6-cidr-block": func(_ *world, v *vpc) []string {
			return when(v.IPv6.IsValid(), v.IPv6)
		},
	},
}

var subnetKind = kind[*subnet]{
	param: "SubnetId", prefix: "subnet", name: "SubnetID", internal: "subnet",
	id:   func(s *subnet) string { return s.ID },
	tags: func(s *subnet) tags { return s.Tags },
	filters: map[string]func(*world, *subnet) []string{
		"subnet-id":         func(_ *world, s *subnet) []string { return one(s.ID) },
		"vpc-id":            func(_ *world, s *subnet) []string { return one(s.VPC) },
		"availability-zone": func(_ *world, s *subnet) []string { return one(s.Zone) },
		"cidr-block":        func(_ *world, s *subnet) []string { return one(s.IPv4.String()) },
		"owner-id":          func(*world, *subnet) []string { return one(account) },
		"state":             func(*world, *subnet) []string { return one("available") },
		"tag-key":           func(_ *world, s *subnet) []string { return keys(s.Tags) },
		"ipv6-cidr-block-association.ipv6-cidr-block": func(_ *world, s *subnet) []string {
			return when(s.IPv6.IsValid(), s.IPv6)
		},
	},
}

var deviceKind = kind[*netDevice]{
	param: "NetworkInterfaceId", prefix: "eni", name: "NetworkInterfaceID", internal: "networkInterface",
	id:   func(n *netDevice) string { return n.ID },
	tags: func(n *netDevice) tags { return n.Tags },
	filters: map[string]func(*world, *netDevice) []string{
		"network-interface-id":            func(_ *world, n *netDevice) []string { return one(n.ID) },
		"attachment.instance-id":          func(w *world, _ *netDevice) []string { return one(w.Instance) },
		"attachment.device-index":         func(_ *world, n *netDevice) []string { return when(true, n.Device) },
		"subnet-id":                       func(_ *world, n *netDevice) []string { return one(n.Subnet) },
		"vpc-id":                          func(w *world, n *netDevice) []string { return one(w.Subnets[n.Subnet].VPC) },
		"availability-zone":               func(w *world, n *netDevice) []string { return one(w.Subnets[n.Subnet].Zone) },
		"mac-address":                     func(_ *world, n *netDevice) []string { return one(n.MAC) },
		"owner-id":                        func(*world, *netDevice) []string { return one(account) },
		"private-ip-address":              func(_ *world, n *netDevice) []string { return texts(n.Private[:1]) },
		"addresses.private-ip-address":    func(_ *world, n *netDevice) []string { return texts(n.Private) },
		"association.public-ip":           func(_ *world, n *netDevice) []string { return texts(n.Public) },
		"ipv6-addresses.ipv6-address":     func(_ *world, n *netDevice) []string { return texts(n.IPv6) },
		"addresses.association.public-ip": func(_ *world, n *netDevice) []string { return texts(n.Public) },
		"tag-key":                         func(_ *world, n *netDevice) []string { return keys(n.Tags) },
	},
}

// tagged is one tag of one resource, as DescribeTags lists them.
type tagged struct {
	resource, kind, key, value string
}

var taggedKind = kind[tagged]{
	id:   func(t tagged) string { return t.resource + "\x00" + t.key },
	tags: func(t tagged) tags { return tags{t.key: t.value} },
	filters: map[string]func(*world, tagged) []string{
		"resource-id":   func(_ *world, t tagged) []string { return one(t.resource) },
		"resource-type": func(_ *world, t tagged) []string { return one(t.kind) },
		"key":           func(_ *world, t tagged) []string { return one(t.key) },
		"value":         func(_ *world, t tagged) []string { return one(t.value) },
	},
}

func texts(addrs []netip.Addr) []string {
	out := make([]string, 0, len(addrs))
	for _, a := range addrs {
		out = append(out, a.String())
	}
	return out
}
