package ec2sim

import (
	"net/netip"
	"strconv"
)

// Rule numbers. 1 to MaxRule are the user's; the two defaults cannot be changed
// (EC2 API reference, CreateNetworkAclEntry; VPC user guide, "Custom network
// ACLs").
const (
	MaxRule         = 32766
	DefaultRuleIPv4 = 32767
	DefaultRuleIPv6 = 32768
)

// Protocol numbers with rules of their own.
const (
	protocolAll    = "-1"
	protocolICMP   = "1"
	protocolTCP    = "6"
	protocolUDP    = "17"
	protocolICMPv6 = "58"
)

// PortRange is an inclusive range of ports.
type PortRange struct {
	From int `json:"from"`
	To   int `json:"to"`
}

// ICMP is a type and a code; -1 stands for all.
type ICMP struct {
	Type int `json:"type"`
	Code int `json:"code"`
}

// Entry is one rule of a Network ACL, in either direction. Entries can be
// compared with ==.
type Entry struct {
	Egress   bool         `json:"egress,omitempty"`
	Number   int          `json:"number"`
	Protocol string       `json:"protocol"` // the number in decimal, -1 for all
	Allow    bool         `json:"allow,omitempty"`
	Prefix   netip.Prefix `json:"prefix"`         // masked
	Ports    PortRange    `json:"ports,omitzero"` // of protocols 6 and 17 only
	ICMP     ICMP         `json:"icmp,omitzero"`  // of protocols 1 and 58 only
}

// Default says that the entry is one of the two denies that AWS keeps.
func (e Entry) Default() bool { return e.Number > MaxRule }

func (e Entry) hasPorts() bool { return e.Protocol == protocolTCP || e.Protocol == protocolUDP }
func (e Entry) hasICMP() bool  { return e.Protocol == protocolICMP || e.Protocol == protocolICMPv6 }
func (e Entry) ipv6() bool     { return e.Prefix.Addr().Is6() }

// check holds an entry to the rules that need no look at its ACL. A user's
// number is demanded too.
func (e Entry) check() *apiError {
	if e.Number < 1 || e.Number > MaxRule {
		return badValue(strconv.Itoa(e.Number), "RuleNumber", "It must be between 1 and 32766.")
	}
	if err := checkProtocol(e.Protocol); err != nil {
		return err
	}
	if !e.Prefix.IsValid() || e.Prefix != e.Prefix.Masked() || e.Prefix.Addr().Is4In6() {
		return badValue(e.Prefix.String(), "CidrBlock", "This is not a valid CIDR block.")
	}
	if err := e.checkPorts(); err != nil {
		return err
	}
	return e.checkICMP()
}

func (e Entry) checkPorts() *apiError {
	if !e.hasPorts() {
		if e.Ports != (PortRange{}) {
			return refuse(codeCombination, "The parameter portRange cannot be used with the protocol %s", e.Protocol)
		}
		return nil
	}
	if e.Ports.From < 0 || e.Ports.To > 65535 || e.Ports.From > e.Ports.To {
		return refuse(codeValue, "Invalid TCP/UDP port range (%d:%d)", e.Ports.From, e.Ports.To)
	}
	return nil
}

func (e Entry) checkICMP() *apiError {
	if !e.hasICMP() {
		if e.ICMP != (ICMP{}) {
			return refuse(codeCombination, "The parameter icmpTypeCode cannot be used with the protocol %s", e.Protocol)
		}
		return nil
	}
	t, c := e.ICMP.Type, e.ICMP.Code
	if t < -1 || t > 255 || c < -1 || c > 255 || t == -1 && c != -1 {
		return refuse(codeValue, "Invalid ICMP type and code (%d:%d)", t, c)
	}
	return nil
}

// checkProtocol takes numbers only: EC2 refuses the names that the CLI
// translates by itself.
func checkProtocol(s string) *apiError {
	n, err := strconv.Atoi(s)
	if err != nil || n < -1 || n > 255 || strconv.Itoa(n) != s {
		return refuse(codeValue, "Invalid value '%s' for IP protocol. Unknown protocol.", s)
	}
	return nil
}

// allowAll is the rule that AWS puts into a default ACL.
func allowAll(egress bool, number int, prefix netip.Prefix) Entry {
	return Entry{Egress: egress, Number: number, Protocol: protocolAll, Allow: true, Prefix: prefix}
}

// defaultDeny is the entry that ends a family's list.
func defaultDeny(egress bool, number int, prefix netip.Prefix) Entry {
	return Entry{Egress: egress, Number: number, Protocol: protocolAll, Prefix: prefix}
}

var (
	anyIPv4 = netip.MustParsePrefix("0.0.0.0/0")
	anyIPv6 = netip.MustParsePrefix("::/0")
)
