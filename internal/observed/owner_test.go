package observed

import (
	"net/netip"
	"testing"
)

var (
	everything = Shape{Protocol: ProtocolAll}
	sshOnly    = Shape{Protocol: ProtocolTCP, Ports: Ports{From: 22, To: 22}}
)

func denyOf(n int, prefix string, shape Shape) Entry {
	return Entry{Number: n, Prefix: netip.MustParsePrefix(prefix), Shape: shape}
}

func TestAnEntryIsOursByNumberShapeAndName(t *testing.T) {
	records := Records{
		Usages: []Usage{
			{Window: Window{First: 1, Last: 90}, Shape: everything},
			{Window: Window{First: 50, Last: 150}, Shape: sshOnly, IPv6Prefix: 64},
		},
		Names: func(p netip.Prefix, width int) bool {
			return p == netip.MustParsePrefix("203.0.113.7/32") || p == netip.MustParsePrefix("2001:db8::/64") && width == 64
		},
	}
	dedicated := records
	dedicated.Dedicated = true
	allowed := denyOf(5, "203.0.113.7/32", everything)
	allowed.Allow = true
	for _, c := range []struct {
		name    string
		entry   Entry
		records Records
		want    Owner
	}{
		{"all three", denyOf(1, "203.0.113.7/32", everything), records, Ours},
		{"the window's last number", denyOf(90, "203.0.113.7/32", everything), records, Ours},
		{"a number out of that window", denyOf(91, "203.0.113.7/32", everything), records, Foreign},
		{"the shape of another window", denyOf(1, "203.0.113.7/32", sshOnly), records, Foreign},
		{"an older window with its own shape", denyOf(150, "203.0.113.7/32", sshOnly), records, Ours},
		{"an allow", allowed, records, Foreign},
		{"an allow on a dedicated ACL", allowed, dedicated, Foreign},
		{"a prefix that no record names", denyOf(1, "203.0.113.8/32", everything), records, Unclaimed},
		{"the same on a dedicated ACL", denyOf(1, "203.0.113.8/32", everything), dedicated, Ours},
		{"a width that was used here", denyOf(60, "2001:db8::/64", sshOnly), records, Ours},
		{"a width that was not used with this shape", denyOf(60, "2001:db8::/64", everything), records, Unclaimed},
		{"a default deny", denyOf(32767, "0.0.0.0/0", everything), dedicated, AWS},
		{"the default deny of IPv6", denyOf(32768, "::/0", everything), dedicated, AWS},
		{"no record at all", denyOf(1, "203.0.113.7/32", everything), Records{Names: records.Names}, Foreign},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := OwnerOf(c.entry, c.records); got != c.want {
				t.Errorf("the entry is %s, not %s", got, c.want)
			}
		})
	}
}

func TestAnEntryIsShadowedByALowerAllow(t *testing.T) {
	allow := func(n int, prefix string, shape Shape) Entry {
		e := denyOf(n, prefix, shape)
		e.Allow = true
		return e
	}
	acl := ACL{Entries: []Entry{
		allow(10, "203.0.113.7/32", sshOnly),
		allow(20, "203.0.113.0/24", everything),
		denyOf(30, "198.51.100.0/24", everything),
		allow(100, "::/0", everything),
	}}
	for _, c := range []struct {
		name   string
		number int
		prefix string
		shape  Shape
		by     int // 0: none
	}{
		{"below all of them", 10, "203.0.113.7/32", everything, 0},
		{"by the lowest that matches", 25, "203.0.113.7/32", everything, 10},
		{"by an allow inside the prefix", 15, "203.0.113.0/24", everything, 10},
		{"not by an allow of other addresses", 15, "203.0.113.8/32", everything, 0},
		{"by an allow around the prefix", 25, "203.0.113.8/32", everything, 20},
		{"not by an allow of other ports", 15, "203.0.113.7/32", Shape{Protocol: ProtocolTCP, Ports: Ports{From: 80, To: 443}}, 0},
		{"by an allow of one of its ports", 15, "203.0.113.7/32", Shape{Protocol: ProtocolTCP, Ports: Ports{From: 20, To: 30}}, 10},
		{"not by an allow of another protocol", 15, "203.0.113.7/32", Shape{Protocol: ProtocolUDP}, 0},
		{"not by a deny", 40, "198.51.100.7/32", everything, 0},
		{"not by the other family", 200, "192.0.2.1/32", everything, 0},
		{"by its own family", 200, "2001:db8::7/128", everything, 100},
	} {
		t.Run(c.name, func(t *testing.T) {
			e, shadowed := acl.Shadow(c.number, netip.MustParsePrefix(c.prefix), c.shape)
			if shadowed != (c.by != 0) || e.Number != c.by {
				t.Errorf("shadowed %t by rule %d, not by %d", shadowed, e.Number, c.by)
			}
			if acl.Effective(denyOf(c.number, c.prefix, c.shape)) == shadowed {
				t.Errorf("effective and shadowed agree")
			}
		})
	}
}

func TestEntriesAreFoundAndCountedByFamily(t *testing.T) {
	acl := ACL{Entries: []Entry{denyOf(1, "203.0.113.7/32", everything), denyOf(32767, "0.0.0.0/0", everything), denyOf(32768, "::/0", everything)}}
	if acl.Count(IPv4) != 2 || acl.Count(IPv6) != 1 {
		t.Errorf("counted %d and %d; the default denies count", acl.Count(IPv4), acl.Count(IPv6))
	}
	if e, ok := acl.At(1); !ok || e.Number != 1 {
		t.Errorf("rule 1 is %v", e)
	}
	if _, ok := acl.At(2); ok {
		t.Errorf("rule 2 is there")
	}
}

func TestOnlyIPv6IsWidened(t *testing.T) {
	for _, c := range []struct {
		prefix string
		width  int
		want   string
	}{
		{"2001:db8::7/128", 64, "2001:db8::/64"},
		{"2001:db8::7/128", 128, "2001:db8::7/128"},
		{"2001:db8::7/128", 0, "2001:db8::7/128"},
		{"2001:db8::/48", 64, "2001:db8::/48"},
		{"203.0.113.7/32", 24, "203.0.113.7/32"},
	} {
		if got := Widen(netip.MustParsePrefix(c.prefix), c.width); got != netip.MustParsePrefix(c.want) {
			t.Errorf("%s at width %d is %s, not %s", c.prefix, c.width, got, c.want)
		}
	}
}

func TestContainmentStaysInAFamily(t *testing.T) {
	for _, c := range []struct {
		p, q string
		want bool
	}{
		{"203.0.113.0/24", "203.0.113.7/32", true},
		{"203.0.113.0/24", "203.0.113.0/24", true},
		{"203.0.113.7/32", "203.0.113.0/24", false},
		{"0.0.0.0/0", "2001:db8::/32", false},
		{"::/0", "203.0.113.7/32", false},
	} {
		if got := Contains(netip.MustParsePrefix(c.p), netip.MustParsePrefix(c.q)); got != c.want {
			t.Errorf("%s contains %s: %t", c.p, c.q, got)
		}
	}
}

func TestTheOrderOfPrefixesIsThatOfTheLibrary(t *testing.T) {
	var all []netip.Prefix
	for _, text := range []string{
		"0.0.0.0/0", "10.0.0.0/8", "10.0.0.0/24", "10.0.0.0/32", "10.0.0.1/32", "203.0.113.0/24", "255.255.255.255/32",
		"::/0", "::/1", "2001:db8::/32", "2001:db8::/64", "2001:db8::1/128", "ffff::/16",
	} {
		all = append(all, netip.MustParsePrefix(text))
	}
	all = append(all, netip.Prefix{})
	for _, a := range all {
		for _, b := range all {
			if got, want := Compare(a, b), a.Compare(b); got != want {
				t.Errorf("comparing %s and %s gives %d, and %d in the library", a, b, got, want)
			}
		}
	}
}
