package ec2sim

import (
	"fmt"
	"net/netip"
	"slices"
)

// The functions here build the account before a test, as if it had always been
// so: they leave no history for stale reads. Like regexp.MustCompile they panic
// on what cannot be, such as an unknown VPC; that is a mistake of the caller.

// build changes the world without a call.
func (s *Server) build(f func(*world)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	w := s.present().clone()
	f(w)
	if err := s.commit(w); err != nil {
		panic(fmt.Sprintf("ec2sim: %v", err))
	}
	s.history = s.history[len(s.history)-1:]
}

func must(err *apiError) {
	if err != nil {
		panic("ec2sim: " + err.Error())
	}
}

// AddVPC adds a VPC and its default ACL, which allows everything at 100 (IPv4)
// and 101 (IPv6) in both directions. A zero ipv6 leaves IPv6 out.
func (s *Server) AddVPC(ipv4, ipv6 netip.Prefix) (vpcID, defaultACL string) {
	s.build(func(w *world) {
		v := &vpc{ID: w.newID("vpc"), IPv4: ipv4.Masked(), IPv6: ipv6.Masked()}
		w.VPCs[v.ID] = v
		a, err := w.createACL(v.ID, nil)
		must(err)
		a.Default = true
		for _, egress := range []bool{false, true} {
			a.insert(allowAll(egress, 100, anyIPv4))
		}
		if v.IPv6.IsValid() {
			w.addIPv6(v)
		}
		vpcID, defaultACL = v.ID, a.ID
	})
	return vpcID, defaultACL
}

// AddIPv6 gives a VPC an IPv6 block, as associate-vpc-cidr-block does: each of
// its ACLs gains rule 32768.
func (s *Server) AddIPv6(vpcID string, ipv6 netip.Prefix) {
	s.build(func(w *world) {
		v, ok := w.VPCs[vpcID]
		if !ok || !ipv6.Addr().Is6() {
			panic(fmt.Sprintf("ec2sim: no VPC %q, or %s is not IPv6", vpcID, ipv6))
		}
		v.IPv6 = ipv6.Masked()
		w.addIPv6(v)
	})
}

// AddSubnet adds a subnet to a VPC, under the VPC's default ACL. A zero ipv6
// leaves IPv6 out.
func (s *Server) AddSubnet(vpcID string, ipv4, ipv6 netip.Prefix) (subnetID string) {
	s.build(func(w *world) {
		n := &subnet{ID: w.newID("subnet"), VPC: vpcID, Zone: s.region + "a", IPv4: ipv4.Masked(), IPv6: ipv6.Masked()}
		for _, a := range w.ACLs {
			if a.VPC == vpcID && a.Default {
				n.ACL = a.ID
			}
		}
		if n.ACL == "" {
			panic(fmt.Sprintf("ec2sim: no VPC %q", vpcID))
		}
		n.AssociationID = w.newID("aclassoc")
		w.Subnets[n.ID] = n
		subnetID = n.ID
	})
	return subnetID
}

// AddACL adds an ACL that holds the default denies alone, and puts the subnets
// under it.
func (s *Server) AddACL(vpcID string, subnets ...string) (aclID string) {
	s.build(func(w *world) {
		a, err := w.createACL(vpcID, nil)
		must(err)
		for _, id := range subnets {
			n, ok := w.Subnets[id]
			if !ok || n.VPC != vpcID {
				panic(fmt.Sprintf("ec2sim: no subnet %q in VPC %s", id, vpcID))
			}
			n.ACL, n.AssociationID = a.ID, w.newID("aclassoc")
		}
		aclID = a.ID
	})
	return aclID
}

// Interface is a network interface of the instance. The first private address
// is the primary one; Public[i] belongs to Private[i].
type Interface struct {
	Subnet  string
	Private []netip.Addr
	Public  []netip.Addr
	IPv6    []netip.Addr
}

// AddInterface attaches an interface to the instance, with the next device
// number, and gives its identifier.
func (s *Server) AddInterface(i Interface) (interfaceID string) {
	s.build(func(w *world) {
		if w.Subnets[i.Subnet] == nil || len(i.Private) == 0 || len(i.Public) > len(i.Private) {
			panic(fmt.Sprintf("ec2sim: not an interface: %+v", i))
		}
		n := len(w.Interfaces)
		d := &netDevice{
			ID: w.newID("eni"), Subnet: i.Subnet, MAC: fmt.Sprintf("02:00:00:00:00:%02x", n+1), Device: n,
			Private: slices.Clone(i.Private), Public: slices.Clone(i.Public), IPv6: slices.Clone(i.IPv6),
		}
		w.Interfaces[d.ID] = d
		interfaceID = d.ID
	})
	return interfaceID
}

// Bastion adds the stock site and gives its ACL: a VPC of 10.0.0.0/16 and
// fd00:ec2:0:100::/56, a subnet of it under the VPC's default ACL (allow 100
// and 101, deny 32767 and 32768, both ways), and one interface with the
// addresses 10.0.1.10, 198.51.100.10 and fd00:ec2:0:101::a.
func (s *Server) Bastion() (aclID string) {
	vpcID, aclID := s.AddVPC(netip.MustParsePrefix("10.0.0.0/16"), netip.MustParsePrefix("fd00:ec2:0:100::/56"))
	subnetID := s.AddSubnet(vpcID, netip.MustParsePrefix("10.0.1.0/24"), netip.MustParsePrefix("fd00:ec2:0:101::/64"))
	s.AddInterface(Interface{
		Subnet:  subnetID,
		Private: []netip.Addr{netip.MustParseAddr("10.0.1.10")},
		Public:  []netip.Addr{netip.MustParseAddr("198.51.100.10")},
		IPv6:    []netip.Addr{netip.MustParseAddr("fd00:ec2:0:101::a")},
	})
	return aclID
}
