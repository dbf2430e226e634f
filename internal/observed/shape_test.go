package observed

import (
	"encoding/json"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

func TestPortZeroIsOnePortAndNotAll(t *testing.T) {
	zero, all, ssh, low := NewPorts(0, 0), NewPorts(0, 65535), NewPorts(22, 22), NewPorts(0, 22)
	if all != (Ports{}) || zero == all || zero.All() || !all.All() {
		t.Fatalf("port 0 is %+v and all are %+v", zero, all)
	}
	for _, c := range []struct {
		name               string
		p, q               Ports
		overlaps, contains bool
	}{
		{"0 and 22", zero, ssh, false, false},
		{"0 and 0-22", zero, low, true, false},
		{"0-22 and 0", low, zero, true, true},
		{"0 and all", zero, all, true, false},
		{"all and 0", all, zero, true, true},
		{"0 and 0", zero, zero, true, true},
		{"22 and all", ssh, all, true, false},
		{"1-65535 and all", NewPorts(1, 65535), all, true, false},
	} {
		if c.p.Overlaps(c.q) != c.overlaps || c.p.Contains(c.q) != c.contains {
			t.Errorf("%s: overlaps %t, contains %t", c.name, c.p.Overlaps(c.q), c.p.Contains(c.q))
		}
	}
	for want, p := range map[string]Ports{"0": zero, "all": all, "22": ssh, "0-22": low} {
		if p.String() != want {
			t.Errorf("%+v reads %q, not %q", p, p, want)
		}
	}
	if both := low.Intersect(zero); both != zero {
		t.Errorf("0-22 and 0 have %+v in common", both)
	}
}

// A snapshot of the release before knows no port 0: its absent ports are all.
func TestPortsGoThroughASnapshotUnchanged(t *testing.T) {
	for text, want := range map[string]Shape{
		`{"protocol":"6"}`: {Protocol: ProtocolTCP},
		`{"protocol":"6","ports":{"from":22,"to":22}}`:    {Protocol: ProtocolTCP, Ports: NewPorts(22, 22)},
		`{"protocol":"6","ports":{"to":22}}`:              {Protocol: ProtocolTCP, Ports: NewPorts(0, 22)},
		`{"protocol":"6","ports":{"zero":true}}`:          {Protocol: ProtocolTCP, Ports: NewPorts(0, 0)},
		`{"protocol":"17","ports":{"from":1,"to":65535}}`: {Protocol: ProtocolUDP, Ports: NewPorts(1, 65535)},
	} {
		var got Shape
		if err := json.Unmarshal([]byte(text), &got); err != nil || got != want {
			t.Errorf("%s reads as %+v (%v)", text, got, err)
		}
		if again, err := json.Marshal(want); err != nil || string(again) != text {
			t.Errorf("%+v is written as %s (%v)", want, again, err)
		}
	}
}

func TestAnEntryOfTheAPIIsUnderstoodOrRefused(t *testing.T) {
	for _, c := range []struct {
		name     string
		protocol string
		action   types.RuleAction
		ports    *types.PortRange
		want     Shape
		refused  bool
	}{
		{name: "tcp without ports", protocol: "6", action: "deny", want: Shape{Protocol: ProtocolTCP}},
		{name: "tcp port 0", protocol: "6", action: "deny", ports: rangeOf(0, 0), want: Shape{Protocol: ProtocolTCP, Ports: NewPorts(0, 0)}},
		{name: "tcp all ports", protocol: "6", action: "allow", ports: rangeOf(0, 65535), want: Shape{Protocol: ProtocolTCP}},
		{name: "udp all but port 0", protocol: "17", action: "deny", ports: rangeOf(1, 65535), want: Shape{Protocol: ProtocolUDP, Ports: NewPorts(1, 65535)}},
		{name: "ports with all protocols say nothing", protocol: "-1", action: "deny", ports: rangeOf(22, 22), want: Shape{Protocol: ProtocolAll}},
		{name: "ports with icmp say nothing", protocol: "1", action: "deny", ports: rangeOf(0, 0), want: Shape{Protocol: "1"}},
		{name: "icmpv6", protocol: "58", action: "allow", want: Shape{Protocol: "58"}},
		{name: "a range that lacks an end", protocol: "6", action: "deny", ports: &types.PortRange{To: aws.Int32(22)}, refused: true},
		{name: "no action", protocol: "-1", refused: true},
		{name: "an action in capitals", protocol: "-1", action: "ALLOW", refused: true},
		{name: "a protocol by name", protocol: "tcp", action: "allow", refused: true},
		{name: "no protocol", action: "deny", refused: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			e, err := EntryOf(types.NetworkAclEntry{
				RuleNumber: aws.Int32(1), CidrBlock: aws.String("0.0.0.0/0"), Protocol: &c.protocol, RuleAction: c.action, PortRange: c.ports,
			})
			if (err != nil) != c.refused || e.Shape != c.want {
				t.Errorf("it reads as %+v (%v)", e, err)
			}
		})
	}
}

func rangeOf(from, to int32) *types.PortRange { return &types.PortRange{From: &from, To: &to} }

func TestTheTrafficOfAnEntryIsToldInWords(t *testing.T) {
	for want, shape := range map[string]Shape{
		"0.0.0.0/0":                  {Protocol: ProtocolAll},
		"icmp from 0.0.0.0/0":        {Protocol: "1"},
		"icmpv6 from 0.0.0.0/0":      {Protocol: "58"},
		"tcp from 0.0.0.0/0":         {Protocol: ProtocolTCP},
		"tcp 0 from 0.0.0.0/0":       {Protocol: ProtocolTCP, Ports: NewPorts(0, 0)},
		"udp 500-600 from 0.0.0.0/0": {Protocol: ProtocolUDP, Ports: NewPorts(500, 600)},
		"protocol 50 from 0.0.0.0/0": {Protocol: "50"},
	} {
		if got := denyOf(1, "0.0.0.0/0", shape).Matches(); got != want {
			t.Errorf("%+v reads %q, not %q", shape, got, want)
		}
	}
}
