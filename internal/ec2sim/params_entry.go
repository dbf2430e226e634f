package ec2sim

import (
	"net/netip"
)

// entry reads the parameters that CreateNetworkAclEntry and
// ReplaceNetworkAclEntry share.
func (p *params) entry() Entry {
	e := Entry{
		Number:   p.requireNumber("RuleNumber"),
		Protocol: p.require("Protocol"),
		Egress:   p.requireFlag("Egress"),
		Allow:    p.action(),
		Prefix:   p.cidr(),
	}
	if p.err != nil {
		return e
	}
	e.Ports, e.ICMP = p.ports(e), p.icmp(e)
	if p.err == nil {
		if err := e.check(); err != nil {
			p.fail(err)
		}
	}
	return e
}

func (p *params) action() bool {
	v := p.require("RuleAction")
	if p.err == nil && v != "allow" && v != "deny" {
		p.fail(badValue(v, "RuleAction", "It must be allow or deny."))
	}
	return v == "allow"
}

// cidr reads the one of the two CIDR parameters that is given. An IPv4 block is
// masked as EC2 does (API reference, CreateNetworkAclEntry); of IPv6 nothing of
// the kind is documented, so host bits are refused.
func (p *params) cidr() netip.Prefix {
	v4, has4 := p.get("CidrBlock")
	v6, has6 := p.get("Ipv6CidrBlock")
	switch {
	case has4 && has6:
		p.fail(refuse(codeCombination, "The parameter cidrBlock cannot be used with the parameter ipv6CidrBlock"))
	case has4:
		return p.prefix(v4, "CidrBlock", netip.Addr.Is4)
	case has6:
		return p.prefix(v6, "Ipv6CidrBlock", func(a netip.Addr) bool { return a.Is6() && !a.Is4In6() })
	default:
		p.fail(refuse(codeMissing, "Either 'cidrBlock' or 'ipv6CidrBlock' should be provided."))
	}
	return netip.Prefix{}
}

func (p *params) prefix(v, name string, family func(netip.Addr) bool) netip.Prefix {
	prefix, err := netip.ParsePrefix(v)
	if err != nil || !family(prefix.Addr()) || prefix.Addr().Is6() && prefix != prefix.Masked() {
		p.fail(badValue(v, name, "This is not a valid CIDR block."))
		return netip.Prefix{}
	}
	return prefix.Masked()
}

// ports reads the range that protocols 6 and 17 must have. With any other
// protocol EC2 ignores a range, so a caller that sends one is mistaken about
// what the rule does: it is refused here.
func (p *params) ports(e Entry) PortRange {
	if !e.hasPorts() {
		p.unwelcome("PortRange.", "portRange", e.Protocol)
		return PortRange{}
	}
	return PortRange{From: p.requireNumber("PortRange.From"), To: p.requireNumber("PortRange.To")}
}

// icmp reads the type and code of protocols 1 and 58. EC2 asks for them with 58
// only beside an IPv6 block; here they are always asked for.
func (p *params) icmp(e Entry) ICMP {
	if !e.hasICMP() {
		p.unwelcome("Icmp.", "icmpTypeCode", e.Protocol)
		return ICMP{}
	}
	if _, ok := p.get("Icmp.Type"); !ok {
		p.fail(missing("icmpTypeCode.type"))
	}
	if _, ok := p.get("Icmp.Code"); !ok {
		p.fail(missing("icmpTypeCode.code"))
	}
	t, _ := p.number("Icmp.Type")
	c, _ := p.number("Icmp.Code")
	return ICMP{Type: t, Code: c}
}

func (p *params) unwelcome(prefix, name, protocol string) {
	if p.has(prefix) {
		p.fail(refuse(codeCombination, "The parameter %s cannot be used with the protocol %s", name, protocol))
	}
}
