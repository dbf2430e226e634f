package plan

import (
	"testing"
	"time"

	"reconciler/internal/desired"
	"reconciler/internal/observed"
)

func TestABanThatOverlapsAProtectedAddressIsRefusedWhole(t *testing.T) {
	limits := standard(func(l *Limits) {
		l.Guard = Guard{MinIPv4: 16, MinIPv6: 32, Protected: []Protected{
			{Prefix: pfx("203.0.113.10/32"), Rule: "an address of this host"},
			{Prefix: pfx("10.0.0.0/8"), Rule: "the VPC"},
			{Prefix: pfx("2001:db8:1::/48"), Rule: "the VPC"},
		}}
	})
	for _, c := range []struct{ name, prefix, why string }{
		{"another address is not", "203.0.113.11/32", ""},
		{"the address itself", "203.0.113.10/32", "overlaps 203.0.113.10/32 (an address of this host)"},
		{"a ban around it", "203.0.113.0/24", "overlaps 203.0.113.10/32 (an address of this host)"},
		{"a ban inside a range", "10.1.2.3/32", "overlaps 10.0.0.0/8 (the VPC)"},
		{"an IPv6 ban inside a range", "2001:db8:1::7/128", "overlaps 2001:db8:1::/48 (the VPC)"},
		{"loopback", "127.0.0.1/32", "overlaps 127.0.0.0/8 (loopback)"},
		{"IPv6 loopback", "::1/128", "overlaps ::1/128 (loopback)"},
		{"link-local", "169.254.169.254/32", "overlaps 169.254.0.0/16 (link-local)"},
		{"metadata over IPv6", "fd00:ec2::254/128", "overlaps fd00:ec2::/32 (the link-local services of EC2)"},
		{"IPv6 link-local", "fe80::1/128", "overlaps fe80::/10 (link-local)"},
		{"multicast", "224.0.0.251/32", "overlaps 224.0.0.0/4 (multicast)"},
		{"unspecified", "0.0.0.0/32", "overlaps 0.0.0.0/8 (the unspecified range)"},
		{"IPv6 unspecified", "::/128", "overlaps ::/128 (the unspecified address)"},
		{"too broad", "198.50.0.0/15", "is broader than /16"},
		{"just not too broad", "198.51.0.0/16", ""},
		{"too broad for IPv6", "2001:db8::/31", "is broader than /32"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := Prepare(setOf(ban(c.prefix, 0)), limits)
			if c.why == "" {
				if len(w.Refused()) != 0 || len(w.Bans()) != 1 {
					t.Fatalf("the ban is refused: %v", w.Refused())
				}
				return
			}
			if len(w.Bans()) != 0 || len(w.Refused()) != 1 || w.Refused()[0].Why != c.why {
				t.Fatalf("refused are %v; the reason should be that it %s", w.Refused(), c.why)
			}
		})
	}
}

func TestAProtectedBanThatIsThereIsLifted(t *testing.T) {
	limits := standard(func(l *Limits) { l.Guard.Protected = []Protected{{Prefix: pfx("203.0.113.7/32"), Rule: "--ignore"}} })
	set := setOf(ban("203.0.113.0/24", time.Hour))
	why := "protected: it overlaps 203.0.113.7/32 (--ignore)"
	changes, _ := ForACL(Prepare(set, limits), aclOf(deny(3, "203.0.113.0/24")), nil, limits, start)
	wantWords(t, changes, "acl-1 delete rule 3 203.0.113.0/24: "+why)
	onHost, withheld := ForHost(Prepare(set, limits), *hostOf(entry("203.0.113.0/24", time.Hour), entry("203.0.113.7/32", 0)), nil, limits, start)
	wantWords(t, onHost, "host remove 203.0.113.0/24: "+why, "host remove 203.0.113.7/32: "+why)
	wantWords(t, withheld)
	for _, c := range append(changes, onHost...) {
		if c.Reason != desired.Protected {
			t.Errorf("%s goes for the reason %q, not protected", Describe(c), c.Reason)
		}
	}
}

func TestAWidenedBanIsGuardedAsItWouldBeEnforced(t *testing.T) {
	limits := standard(func(l *Limits) {
		l.IPv6Prefix = 64
		l.Guard.Protected = []Protected{{Prefix: pfx("2001:db8::1/128"), Rule: "an address of this host"}}
	})
	w := Prepare(setOf(ban("2001:db8::7/128", 0)), limits)
	if len(w.Bans()) != 0 || len(w.Refused()) != 1 || w.Refused()[0].Prefix != pfx("2001:db8::7/128") {
		t.Errorf("bans %v, refused %v; the /64 would block this host", w.Bans(), w.Refused())
	}
}

func TestWhatIsNotOursIsLeftAlone(t *testing.T) {
	none := setOf()
	foreign := aclOf(denySSH(3, "203.0.113.7/32"), deny(95, "203.0.113.8/32"), allow(4, "203.0.113.9/32"))
	dedicated := standard(func(l *Limits) { l.Dedicated = true })
	named := lifted(setOf(), desired.Expired, "203.0.113.7/32", "203.0.113.8/32", "203.0.113.9/32")
	runACL(t, []aclCase{
		{name: "an entry of our shape that no record names", set: none, acl: aclOf(deny(3, "203.0.113.7/32")), limits: standard()},
		{name: "another shape, out of the window or an allow, even when a record names it", set: named, acl: foreign, limits: standard()},
		{name: "the same on a dedicated ACL", set: none, acl: foreign, limits: dedicated},
		{
			name: "but there an entry of our shape is ours", set: none, acl: aclOf(deny(3, "203.0.113.7/32")), limits: dedicated,
			want: []string{"acl-1 delete rule 3 203.0.113.7/32: adopted: the ACL is dedicated to this tool and no record wants the entry"},
		},
		{name: "and it is kept when a ban wants it", set: setOf(ban("203.0.113.7/32", 0)), acl: aclOf(deny(3, "203.0.113.7/32")), limits: dedicated},
		{
			name: "in an older window a named entry is ours still", set: named, acl: aclOf(deny(95, "203.0.113.8/32")), limits: standard(used(91, 99, shapeAll, 0)),
			want: []string{"acl-1 delete rule 95 203.0.113.8/32: expired"},
		},
	})
}

func TestAnACLOfNoUseAnyLongerIsEmptied(t *testing.T) {
	set := setOf(ban("203.0.113.7/32", 0), ban("203.0.113.8/32", 0))
	limits := standard(func(l *Limits) { l.ACLs, l.Retired = nil, map[string]bool{"acl-1": true} })
	acl := doubting(aclOf(deny(3, "203.0.113.7/32"), deny(4, "198.51.100.9/32")), 5, "create", "203.0.113.8/32")
	runACL(t, []aclCase{{
		name: "of what is ours", set: set, acl: acl, limits: limits,
		want: []string{"acl-1 delete rule 3 203.0.113.7/32: this ACL is configured no longer"},
	}})
}

func TestPausedLiftsAllThatIsOursAndHoldsStill(t *testing.T) {
	set := setOf(ban("203.0.113.7/32", 0), ban("2001:db8::7/128", 0))
	set.Paused = true
	have := observed.State{Host: holding(set), ACLs: acls(aclOf(deny(3, "203.0.113.7/32"), deny(4, "198.51.100.9/32"), deny(5, "2001:db8::7/128")))}
	p := Compute(set, have, standard(), start)
	wantWords(t, p.Changes,
		"host remove: paused: chain, set and jumps are taken away",
		"acl-1 delete rule 3 203.0.113.7/32: paused",
		"acl-1 delete rule 5 2001:db8::7/128: paused",
	)
	if p.Summary.Active != 0 {
		t.Errorf("%d bans count as active while all is paused", p.Summary.Active)
	}
	after := observed.State{Host: &observed.Host{}, ACLs: acls(aclOf(deny(4, "198.51.100.9/32")))}
	if again := Compute(set, after, standard(), start); !again.Empty() {
		t.Errorf("it does not hold still: %v", words(again.Changes))
	}
}

func TestAnAllowedAddressIsNotBannedAndItsBanIsLiftedWithAReason(t *testing.T) {
	set := setOf(ban("203.0.113.7/32", 0), ban("203.0.113.0/24", 0), ban("198.51.100.7/32", 0))
	set.Allowed = []desired.Allowed{{Prefix: pfx("203.0.113.7/32")}}
	w := Prepare(set, standard())
	if len(w.Bans()) != 1 || w.Bans()[0].Prefix != pfx("198.51.100.7/32") {
		t.Errorf("in force are %v", w.Bans())
	}
	why := "overlaps 203.0.113.7/32 (allowed by `reconciler allow`)"
	for _, r := range w.Refused() {
		if r.Why != why {
			t.Errorf("%s is refused because it %s", r.Prefix, r.Why)
		}
	}
	if reason, words, ok := w.reason(pfx("203.0.113.0/24"), start); !ok || reason != desired.Protected || words != "protected: it "+why {
		t.Errorf("what is there goes as %q (%s), on record: %v", reason, words, ok)
	}
	set.Allowed = nil
	if again := Prepare(set, standard()); len(again.Bans()) != 3 {
		t.Errorf("once nothing is allowed, in force are %v", again.Bans())
	}
}
