package plan

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"reconciler/internal/desired"
	"reconciler/internal/observed"
)

func TestABanThatIsAboutToGoGetsNoNewSlot(t *testing.T) {
	leaving := ban("203.0.113.8/32", 0)
	leaving.Leaving = true
	stays := ban("203.0.113.9/32", time.Hour)
	noHost := standard(func(l *Limits) { l.NoHost = true })
	runACL(t, []aclCase{
		{
			name: "not a free one, whatever its rank", set: setOf(leaving, stays), acl: aclOf(), limits: standard(),
			want: []string{"acl-1 create rule 1 203.0.113.9/32: new ban"},
		},
		{
			name: "not that of a lifted one", set: lifted(setOf(leaving), desired.Flushed, "203.0.113.7/32"),
			acl: aclOf(deny(4, "203.0.113.7/32")), limits: standard(),
			want: []string{"acl-1 delete rule 4 203.0.113.7/32: flushed"},
		},
		{name: "it keeps the one it has", set: setOf(leaving), acl: aclOf(deny(4, "203.0.113.8/32")), limits: standard()},
		{
			name: "without a host the ACL is all there is", set: setOf(leaving), acl: aclOf(), limits: noHost,
			want: []string{"acl-1 create rule 1 203.0.113.8/32: new ban"},
		},
		{
			name: "one that only a lifted entry enforces takes its place", set: lifted(setOf(leaving), desired.Unbanned, "203.0.113.0/24"),
			acl: aclOf(deny(4, "203.0.113.0/24")), host: hostOf(), limits: standard(),
			want: []string{"acl-1 replace rule 4 203.0.113.0/24 203.0.113.8/32: unbanned; slot reused"},
		},
	})
}

func TestFreeSlotsGoByRank(t *testing.T) {
	three := setOf(ban("203.0.113.9/32", time.Hour), ban("203.0.113.7/32", time.Hour), ban("203.0.113.8/32", 0))
	runACL(t, []aclCase{
		{
			name: "the latest end first, then the least prefix", set: three, acl: aclOf(), limits: standard(),
			want: []string{
				"acl-1 create rule 1 203.0.113.8/32: new ban",
				"acl-1 create rule 2 203.0.113.7/32: new ban",
				"acl-1 create rule 3 203.0.113.9/32: new ban",
			},
		}, {
			name: "who does not rank high enough gets none", set: three, acl: aclOf(), limits: standard(quota(3)),
			want: []string{
				"acl-1 create rule 1 203.0.113.8/32: new ban",
				"acl-1 create rule 2 203.0.113.7/32: new ban",
			},
		}, {
			name: "numbers of others are passed over, of both families", set: three,
			acl: aclOf(deny(1, "198.51.100.0/25"), deny(3, "2001:db8::/64")), limits: standard(),
			want: []string{
				"acl-1 create rule 2 203.0.113.8/32: new ban",
				"acl-1 create rule 4 203.0.113.7/32: new ban",
				"acl-1 create rule 5 203.0.113.9/32: new ban",
			},
		}, {
			name: "a window that is full ends the capacity", set: three, acl: aclOf(), limits: standard(window(5, 6)),
			want: []string{
				"acl-1 create rule 5 203.0.113.8/32: new ban",
				"acl-1 create rule 6 203.0.113.7/32: new ban",
			},
		}, {
			name: "a ban that the API refuses gets no slot", set: three, limits: standard(),
			acl: func() observed.ACL {
				a := aclOf()
				a.Refused = map[netip.Prefix]string{pfx("203.0.113.8/32"): "InvalidParameterValue"}
				return a
			}(),
			want: []string{
				"acl-1 create rule 1 203.0.113.7/32: new ban",
				"acl-1 create rule 2 203.0.113.9/32: new ban",
			},
		}, {
			name: "an entry that was lost is called drift", set: setOf(ban("203.0.113.8/32", 0)), limits: standard(),
			acl: func() observed.ACL {
				a := aclOf()
				a.Lost = map[netip.Prefix]bool{pfx("203.0.113.8/32"): true}
				return a
			}(),
			want: []string{"acl-1 create rule 1 203.0.113.8/32: drift: its entry was gone"},
		},
	})
}

func TestAHolderKeepsItsSlotAndNumber(t *testing.T) {
	low, high := ban("203.0.113.7/32", time.Minute), ban("203.0.113.8/32", 0)
	runACL(t, []aclCase{
		{
			name: "rank does not displace it", set: setOf(low, high), acl: aclOf(deny(4, "203.0.113.7/32")), limits: standard(quota(2)),
		}, {
			name: "nor does a lower number that is free", set: setOf(low), acl: aclOf(deny(4, "203.0.113.7/32")), limits: standard(),
		}, {
			name: "when lifted, its slot is replaced in place", set: lifted(setOf(high), desired.Expired, "203.0.113.7/32"),
			acl: aclOf(deny(4, "203.0.113.7/32")), limits: standard(),
			want: []string{"acl-1 replace rule 4 203.0.113.7/32 203.0.113.8/32: expired; slot reused"},
		}, {
			name: "when lifted and nobody waits, its entry is deleted", set: lifted(setOf(), desired.Unbanned, "203.0.113.7/32"),
			acl: aclOf(deny(4, "203.0.113.7/32")), limits: standard(),
			want: []string{"acl-1 delete rule 4 203.0.113.7/32: unbanned"},
		}, {
			name: "when its number has become another's, the ban gets a new one", set: setOf(low),
			acl: aclOf(deny(1, "198.51.100.0/25")), limits: standard(window(1, 2)),
			want: []string{"acl-1 create rule 2 203.0.113.7/32: new ban"},
		}, {
			name: "a ban whose time is over at this moment is lifted", set: setOf(ban("203.0.113.7/32", -time.Nanosecond)),
			acl: aclOf(deny(4, "203.0.113.7/32")), limits: standard(),
			want: []string{"acl-1 delete rule 4 203.0.113.7/32: expired"},
		},
	})
}

func TestFamiliesShareNumbersAndNotQuotas(t *testing.T) {
	both := setOf(ban("203.0.113.7/32", 0), ban("203.0.113.8/32", 0), ban("2001:db8::7/128", 0), ban("2001:db8::8/128", 0))
	runACL(t, []aclCase{
		{
			name: "numbers are handed out to both", set: both, acl: aclOf(), limits: standard(),
			want: []string{
				"acl-1 create rule 1 203.0.113.7/32: new ban",
				"acl-1 create rule 2 203.0.113.8/32: new ban",
				"acl-1 create rule 3 2001:db8::7/128: new ban",
				"acl-1 create rule 4 2001:db8::8/128: new ban",
			},
		}, {
			name: "a full IPv4 side leaves IPv6 its own quota", set: both, acl: aclOf(allow(100, "0.0.0.0/0")), limits: standard(quota(2)),
			want: []string{"acl-1 create rule 1 2001:db8::7/128: new ban"},
		}, {
			name: "a slot is never replaced by the other family", set: lifted(setOf(ban("2001:db8::7/128", 0)), desired.Expired, "203.0.113.7/32"),
			acl: aclOf(deny(1, "203.0.113.7/32")), limits: standard(window(1, 1)),
			want: []string{"acl-1 delete rule 1 203.0.113.7/32: expired"},
		},
	})
}

func TestTheQuotaHoldsAtEveryStart(t *testing.T) {
	wanted := setOf(ban("203.0.113.1/32", 0), ban("203.0.113.2/32", 0), ban("203.0.113.3/32", 0))
	held := aclOf(deny(1, "203.0.113.1/32"), deny(2, "203.0.113.2/32"), deny(3, "198.51.100.0/25"))
	learned := standard()
	learned.Learned = map[string]map[observed.Family]int{"acl-1": {observed.IPv4: 2}}
	runACL(t, []aclCase{
		{name: "over the quota, nothing is created and nothing wanted is shed", set: wanted, acl: held, limits: standard(quota(3))},
		{
			name: "over the quota, a lifted entry is not reused", set: lifted(setOf(ban("203.0.113.1/32", 0), ban("203.0.113.3/32", 0)), desired.Expired, "203.0.113.2/32"),
			acl: held, limits: standard(quota(3)),
			want: []string{"acl-1 delete rule 2 203.0.113.2/32: expired"},
		},
		{
			name: "at the quota, it is", set: lifted(setOf(ban("203.0.113.1/32", 0), ban("203.0.113.3/32", 0)), desired.Expired, "203.0.113.2/32"),
			acl: held, limits: standard(quota(4)),
			want: []string{"acl-1 replace rule 2 203.0.113.2/32 203.0.113.3/32: expired; slot reused"},
		},
		{
			name: "over the quota, the entry that cannot be reused goes first",
			set:  lifted(setOf(ban("203.0.113.1/32", 0)), desired.Expired, "203.0.113.2/32", "203.0.113.3/32"),
			acl:  aclOf(deny(2, "203.0.113.2/32"), deny(5, "203.0.113.3/32"), deny(100, "198.51.100.0/25")), limits: standard(quota(3), window(5, 9), used(1, 9, shapeAll, 0)),
			want: []string{
				"acl-1 replace rule 5 203.0.113.3/32 203.0.113.1/32: expired; slot reused",
				"acl-1 delete rule 2 203.0.113.2/32: expired",
			},
		},
		{name: "a learned quota counts when it is lower", set: wanted, acl: aclOf(deny(1, "203.0.113.1/32")), limits: learned},
	})
}

func TestThirtyBansFillAnEmptyACLToItsCapacity(t *testing.T) {
	var bans []desired.Ban
	for i := range 30 {
		bans = append(bans, ban(fmt.Sprintf("203.0.113.%d/32", i+1), time.Hour))
	}
	set, limits := setOf(bans...), standard()
	have := observed.State{ACLs: []observed.ACL{aclOf(allow(100, "0.0.0.0/0"))}, Host: hostOf()}
	changes, withheld := ForACL(Prepare(set, limits), have.ACLs[0], have.Host, limits, start)
	if len(changes) != 18 || len(withheld) != 0 {
		t.Fatalf("%d changes and %d withheld; the quota of 20 leaves 18 beside an allow and the default deny", len(changes), len(withheld))
	}
	for i, c := range changes {
		if c.Action != Create || c.Rule != i+1 {
			t.Errorf("change %d is %s, not the creation of rule %d", i, Describe(c), i+1)
		}
	}
	p := Compute(set, have, limits, start)
	if len(p.Changes) != 18+30 {
		t.Errorf("the whole plan has %d changes, not 18 for the ACL and 30 for the host", len(p.Changes))
	}
	want := ACLSummary{Enforced: 18, Capacity: 18, Foreign: 1}
	if got := p.Summary.NACL["acl-1"][observed.IPv4]; got != want {
		t.Errorf("the summary says %+v, not %+v", got, want)
	}
	after := observed.State{ACLs: []observed.ACL{ACLAfter(have.ACLs[0], changes)}, Host: holding(set)}
	if second := Compute(set, after, limits, start); !second.Empty() {
		t.Errorf("the plan after the plan is not empty: %v", words(second.Changes))
	}
}

func TestABanIsPutOnlyWhereItWorks(t *testing.T) {
	one := setOf(ban("203.0.113.7/32", 0))
	ssh := observed.Entry{Number: 5, Prefix: pfx("0.0.0.0/0"), Allow: true, Shape: shapeSSH}
	udp := observed.Entry{Number: 5, Prefix: pfx("0.0.0.0/0"), Allow: true, Shape: observed.Shape{Protocol: observed.ProtocolUDP}}
	sshOnly := standard(func(l *Limits) { l.Shape = shapeSSH })
	runACL(t, []aclCase{
		{
			name: "below an allow", set: one, acl: aclOf(allow(5, "203.0.113.0/24")), limits: standard(),
			want: []string{"acl-1 create rule 1 203.0.113.7/32: new ban"},
		},
		{name: "not above an allow that contains it", set: one, acl: aclOf(allow(5, "203.0.113.0/24")), limits: standard(window(6, 90))},
		{name: "not above an allow inside it", set: setOf(ban("203.0.113.0/24", 0)), acl: aclOf(allow(5, "203.0.113.7/32")), limits: standard(window(6, 90))},
		{
			name: "above an allow of other addresses", set: one, acl: aclOf(allow(5, "198.51.100.0/24")), limits: standard(window(6, 90)),
			want: []string{"acl-1 create rule 6 203.0.113.7/32: new ban"},
		},
		{
			name: "above an allow of the other family", set: one, acl: aclOf(allow(5, "::/0")), limits: standard(window(6, 90)),
			want: []string{"acl-1 create rule 6 203.0.113.7/32: new ban"},
		},
		{name: "not above an allow of one of its ports", set: one, acl: aclOf(ssh), limits: standard(window(6, 90))},
		{
			name: "above an allow of another protocol", set: one, acl: aclOf(udp), limits: func() Limits { l := sshOnly; l.Window.First = 6; return l }(),
			want: []string{"acl-1 create rule 6 203.0.113.7/32: new ban"},
		},
		{
			name: "an entry that an allow has come to overrule moves below it", set: one,
			acl: aclOf(allow(5, "0.0.0.0/0"), deny(6, "203.0.113.7/32")), limits: standard(),
			want: []string{
				"acl-1 create rule 1 203.0.113.7/32: moves from rule 6",
				"acl-1 delete rule 6 203.0.113.7/32: shadowed: rule 5 allows 0.0.0.0/0 before it",
			},
		},
		{
			name: "with no number below the allow, it goes for good", set: one,
			acl: aclOf(allow(5, "0.0.0.0/0"), deny(6, "203.0.113.7/32")), limits: standard(window(6, 90)),
			want: []string{"acl-1 delete rule 6 203.0.113.7/32: shadowed: rule 5 allows 0.0.0.0/0 before it"},
		},
		{
			name: "above an allow of port 0 alone, when it blocks another port", set: one, acl: aclOf(tcp(allow(5, "0.0.0.0/0"), 0, 0)),
			limits: func() Limits { l := sshOnly; l.Window.First = 6; return l }(),
			want:   []string{"acl-1 create rule 6 203.0.113.7/32: new ban"},
		},
		{
			name: "also where a foreign deny of port 0 alone stands", set: one, acl: aclOf(tcp(deny(1, "203.0.113.7/32"), 0, 0)), limits: sshOnly,
			want: []string{"acl-1 create rule 2 203.0.113.7/32: new ban"},
		},
		{
			name: "also where a foreign deny leaves port 0 out", set: one, acl: aclOf(tcp(deny(1, "203.0.113.7/32"), 1, 65535)),
			limits: standard(func(l *Limits) { l.Shape = observed.Shape{Protocol: observed.ProtocolTCP} }),
			want:   []string{"acl-1 create rule 2 203.0.113.7/32: new ban"},
		},
		{name: "not above an allow of ICMP, which it is to block as well", set: one, acl: aclOf(icmp(allow(5, "0.0.0.0/0"))), limits: standard(window(6, 90))},
		{
			name: "above an allow of ICMP, when it blocks TCP alone", set: one, acl: aclOf(icmp(allow(5, "0.0.0.0/0"))),
			limits: func() Limits { l := sshOnly; l.Window.First = 6; return l }(),
			want:   []string{"acl-1 create rule 6 203.0.113.7/32: new ban"},
		},
	})
}

func tcp(e observed.Entry, from, to int) observed.Entry {
	e.Shape = observed.Shape{Protocol: observed.ProtocolTCP, Ports: observed.NewPorts(from, to)}
	return e
}

func icmp(e observed.Entry) observed.Entry {
	e.Shape = observed.Shape{Protocol: "1"}
	return e
}

func TestAnAllowThatCostsSlotsIsNamedWithTheMend(t *testing.T) {
	for _, c := range []struct {
		name   string
		acl    observed.ACL
		limits Limits
		want   []string
	}{
		{
			"an allow of ICMP in the window", aclOf(icmp(allow(10, "0.0.0.0/0"))), standard(),
			[]string{"acl-1: numbers above rule 10 are not usable for ipv4 bans, which leaves 9: it allows icmp from 0.0.0.0/0, and a deny above it does not stop that; give that rule a number above 90, or change --rules"},
		},
		{
			"an allow of port 0 below the window", aclOf(tcp(allow(1, "::/0"), 0, 0)), standard(window(2, 90)),
			[]string{"acl-1: an allow below the window leaves no number for ipv6 bans: rule 1 allows tcp 0 from ::/0, and a deny above it does not stop that; give that rule a number above 90, or change --rules"},
		},
		{"an allow of ICMP, when bans block TCP alone", aclOf(icmp(allow(10, "0.0.0.0/0"))), standard(func(l *Limits) { l.Shape = shapeSSH }), nil},
		{"an allow above all that the quota has room for", aclOf(allow(20, "0.0.0.0/0")), standard(), nil},
		{"an allow above the window", aclOf(allow(100, "0.0.0.0/0")), standard(), nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, got := Examine(Prepare(setOf(), c.limits), observed.State{ACLs: acls(c.acl)}, c.limits, start)
			if !slices.Equal(got, c.want) {
				t.Errorf("it says %q, not %q", got, c.want)
			}
		})
	}
}

func TestAnACLOfFirewallManagerIsToldOfWithThePlaceForTheWindow(t *testing.T) {
	managed := aclOf()
	managed.Managed = true
	for first, want := range map[int]string{
		1:    "acl-1 is kept by AWS Firewall Manager (tag FMManaged), which may take entries back: rules that are not its policy's usually lie at 5000-7000 there; set --rules to where yours may be, below every allow",
		5000: "acl-1 is kept by AWS Firewall Manager (tag FMManaged), which may take entries back",
	} {
		limits := standard(window(first, first+89))
		if _, got := Examine(Prepare(setOf(), limits), observed.State{ACLs: acls(managed)}, limits, start); !slices.Equal(got, []string{want}) {
			t.Errorf("with a window from %d it says %q", first, got)
		}
	}
}
