package observed

import (
	"errors"
	"fmt"
	"strconv"
)

// Protocol numbers as the EC2 API writes them.
const (
	ProtocolAll = "-1"
	ProtocolTCP = "6"
	ProtocolUDP = "17"
)

// protocolNames are the names that people use, by number.
var protocolNames = map[string]string{ProtocolAll: "all", ProtocolTCP: "tcp", ProtocolUDP: "udp", "1": "icmp", "58": "icmpv6"}

// errProtocol is the cause when a protocol is not what the EC2 API writes.
var errProtocol = errors.New("it is a number from 0 to 255, or -1 for all")

// parseProtocol gives the one way to write a protocol's number.
func parseProtocol(text string) (string, error) {
	n, err := strconv.Atoi(text)
	if err != nil || n < -1 || n > 255 {
		return "", fmt.Errorf("the protocol %q: %w", text, errProtocol)
	}
	return strconv.Itoa(n), nil
}

const maxPort = 65535

// Ports is an inclusive range of ports. The zero value means all of them;
// NewPorts makes every other range.
type Ports struct {
	From int `json:"from,omitempty"`
	To   int `json:"to,omitempty"`
	// Zero says that the range is port 0 alone, which the numbers cannot tell
	// from an absent one.
	Zero bool `json:"zero,omitempty"`
}

// NewPorts gives the one way to write a range: the zero value for all ports.
func NewPorts(from, to int) Ports {
	if from <= 0 && to >= maxPort {
		return Ports{}
	}
	return Ports{From: from, To: to, Zero: from == 0 && to == 0}
}

// All reports whether the range leaves no port out.
func (p Ports) All() bool { return p == Ports{} || p.From <= 0 && p.To >= maxPort }

// ends gives the first and the last port.
func (p Ports) ends() (from, to int) {
	if p.All() {
		return 0, maxPort
	}
	return p.From, p.To
}

// Overlaps reports whether the two ranges share a port.
func (p Ports) Overlaps(q Ports) bool {
	from, to := p.ends()
	first, last := q.ends()
	return from <= last && first <= to
}

// Contains reports whether every port of q is in p.
func (p Ports) Contains(q Ports) bool {
	from, to := p.ends()
	first, last := q.ends()
	return from <= first && last <= to
}

// Intersect gives the ports of two ranges that overlap.
func (p Ports) Intersect(q Ports) Ports {
	from, to := p.ends()
	first, last := q.ends()
	return NewPorts(max(from, first), min(to, last))
}

// String gives the range as a person writes it.
func (p Ports) String() string {
	from, to := p.ends()
	switch {
	case p.All():
		return "all"
	case from == to:
		return strconv.Itoa(from)
	}
	return fmt.Sprintf("%d-%d", from, to)
}

// Shape is what a ban blocks: always inbound, always a deny.
type Shape struct {
	Protocol string `json:"protocol"` // as the EC2 API writes it: -1, 6, 17
	Ports    Ports  `json:"ports,omitzero"`
}

// Overlaps reports whether some traffic matches both shapes.
func (s Shape) Overlaps(t Shape) bool {
	if s.Protocol == ProtocolAll || t.Protocol == ProtocolAll {
		return true
	}
	return s.Protocol == t.Protocol && s.Ports.Overlaps(t.Ports)
}

// Contains reports whether all traffic of t matches s too.
func (s Shape) Contains(t Shape) bool {
	return s.Protocol == ProtocolAll || s.Protocol == t.Protocol && s.Ports.Contains(t.Ports)
}

// ProtocolName gives the protocol's name where it has one, else its number.
func (s Shape) ProtocolName() string {
	if name, ok := protocolNames[s.Protocol]; ok {
		return name
	}
	return s.Protocol
}

// String gives the shape in a word or two: "all", "icmp", "tcp 22".
func (s Shape) String() string {
	switch {
	case protocolNames[s.Protocol] == "":
		return "protocol " + s.Protocol
	case s.Ports.All():
		return s.ProtocolName()
	}
	return s.ProtocolName() + " " + s.Ports.String()
}
