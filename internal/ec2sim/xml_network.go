package ec2sim

import (
	"net/netip"
	"time"
)

type xmlState struct {
	State string `xml:"state"`
}

type xmlIPv4Block struct {
	ID    string   `xml:"associationId"`
	CIDR  string   `xml:"cidrBlock"`
	State xmlState `xml:"cidrBlockState"`
}

type xmlIPv6Block struct {
	ID    string   `xml:"associationId"`
	CIDR  string   `xml:"ipv6CidrBlock"`
	State xmlState `xml:"ipv6CidrBlockState"`
}

type xmlVPC struct {
	ID      string            `xml:"vpcId"`
	Owner   string            `xml:"ownerId"`
	State   string            `xml:"state"`
	CIDR    string            `xml:"cidrBlock"`
	IPv4    set[xmlIPv4Block] `xml:"cidrBlockAssociationSet"`
	IPv6    set[xmlIPv6Block] `xml:"ipv6CidrBlockAssociationSet"`
	Tenancy string            `xml:"instanceTenancy"`
	Tags    set[xmlTag]       `xml:"tagSet"`
	Default bool              `xml:"isDefault"`
}

type vpcsReply struct {
	head
	VPCs set[xmlVPC] `xml:"vpcSet"`
	Next string      `xml:"nextToken,omitempty"`
}

type xmlSubnet struct {
	ID    string            `xml:"subnetId"`
	ARN   string            `xml:"subnetArn"`
	State string            `xml:"state"`
	Owner string            `xml:"ownerId"`
	VPC   string            `xml:"vpcId"`
	CIDR  string            `xml:"cidrBlock"`
	IPv6  set[xmlIPv6Block] `xml:"ipv6CidrBlockAssociationSet"`
	Zone  string            `xml:"availabilityZone"`
	Tags  set[xmlTag]       `xml:"tagSet"`
}

type subnetsReply struct {
	head
	Subnets set[xmlSubnet] `xml:"subnetSet"`
	Next    string         `xml:"nextToken,omitempty"`
}

type xmlPublic struct {
	IP    string `xml:"publicIp"`
	Owner string `xml:"ipOwnerId"`
}

type xmlPrivate struct {
	IP      string     `xml:"privateIpAddress"`
	Primary bool       `xml:"primary"`
	Public  *xmlPublic `xml:"association"`
}

type xmlAddress6 struct {
	IP string `xml:"ipv6Address"`
}

type xmlAttachment struct {
	ID       string `xml:"attachmentId"`
	Instance string `xml:"instanceId"`
	Owner    string `xml:"instanceOwnerId"`
	Device   int    `xml:"deviceIndex"`
	Status   string `xml:"status"`
	Time     string `xml:"attachTime"`
}

type xmlDevice struct {
	ID         string           `xml:"networkInterfaceId"`
	Subnet     string           `xml:"subnetId"`
	VPC        string           `xml:"vpcId"`
	Zone       string           `xml:"availabilityZone"`
	Owner      string           `xml:"ownerId"`
	Status     string           `xml:"status"`
	MAC        string           `xml:"macAddress"`
	PrivateIP  string           `xml:"privateIpAddress"`
	Public     *xmlPublic       `xml:"association"`
	Attachment xmlAttachment    `xml:"attachment"`
	Private    set[xmlPrivate]  `xml:"privateIpAddressesSet"`
	IPv6       set[xmlAddress6] `xml:"ipv6AddressesSet"`
	Tags       set[xmlTag]      `xml:"tagSet"`
}

type devicesReply struct {
	head
	Devices set[xmlDevice] `xml:"networkInterfaceSet"`
	Next    string         `xml:"nextToken,omitempty"`
}

type xmlTagged struct {
	Resource string `xml:"resourceId"`
	Type     string `xml:"resourceType"`
	Key      string `xml:"key"`
	Value    string `xml:"value"`
}

type tagsReply struct {
	head
	Tags set[xmlTagged] `xml:"tagSet"`
	Next string         `xml:"nextToken,omitempty"`
}

func ipv6Blocks(p netip.Prefix, id string) set[xmlIPv6Block] {
	var out set[xmlIPv6Block]
	if p.IsValid() {
		out.Items = append(out.Items, xmlIPv6Block{ID: id, CIDR: p.String(), State: xmlState{"associated"}})
	}
	return out
}

func renderVPC(v *vpc) xmlVPC {
	return xmlVPC{
		ID: v.ID, Owner: account, State: "available", CIDR: v.IPv4.String(), Tenancy: "default", Tags: tagSet(v.Tags),
		IPv4: set[xmlIPv4Block]{[]xmlIPv4Block{{
			ID: "vpc-cidr-assoc-" + v.ID[4:], CIDR: v.IPv4.String(), State: xmlState{"associated"},
		}}},
		IPv6: ipv6Blocks(v.IPv6, "vpc-cidr-assoc-6"+v.ID[5:]),
	}
}

func renderSubnet(region string, s *subnet) xmlSubnet {
	return xmlSubnet{
		ID: s.ID, ARN: arn(region, "subnet", s.ID), State: "available", Owner: account, VPC: s.VPC,
		CIDR: s.IPv4.String(), IPv6: ipv6Blocks(s.IPv6, "subnet-cidr-assoc-6"+s.ID[8:]), Zone: s.Zone, Tags: tagSet(s.Tags),
	}
}

// attachedAt is when every interface was attached. It says nothing.
var attachedAt = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func renderDevice(w *world, n *netDevice) xmlDevice {
	s := w.Subnets[n.Subnet]
	x := xmlDevice{
		ID: n.ID, Subnet: n.Subnet, VPC: s.VPC, Zone: s.Zone, Owner: account, Status: "in-use", MAC: n.MAC,
		PrivateIP: n.Private[0].String(), Tags: tagSet(n.Tags),
		Attachment: xmlAttachment{
			ID: "eni-attach-" + n.ID[4:], Instance: w.Instance, Owner: account, Device: n.Device,
			Status: "attached", Time: attachedAt.Format(time.RFC3339),
		},
	}
	for i, a := range n.Private {
		p := xmlPrivate{IP: a.String(), Primary: i == 0}
		if i < len(n.Public) {
			p.Public = &xmlPublic{IP: n.Public[i].String(), Owner: account}
		}
		x.Private.Items = append(x.Private.Items, p)
	}
	x.Public = x.Private.Items[0].Public
	for _, a := range n.IPv6 {
		x.IPv6.Items = append(x.IPv6.Items, xmlAddress6{IP: a.String()})
	}
	return x
}
