package plan

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"reconciler/internal/desired"
	"reconciler/internal/observed"
)

func TestComputeGoesTheWayOfTheLoop(t *testing.T) {
	set := lifted(setOf(ban("203.0.113.7/32", 0)), desired.Expired, "203.0.113.8/32")
	have := observed.State{Host: hostOf(), ACLs: acls(aclOf(deny(1, "203.0.113.8/32")))}
	p := Compute(set, have, standard(overflow), start)
	wantWords(t, p.Changes,
		"host add 203.0.113.7/32: new ban",
		"acl-1 replace rule 1 203.0.113.8/32 203.0.113.7/32: expired; slot reused",
		"host remove 203.0.113.7/32: moved: every ACL enforces it",
	)
}

func TestANumberThatMustBeEmptiedIsFilledAfterwards(t *testing.T) {
	set := lifted(setOf(ban("2001:db8::7/128", 0)), desired.Expired, "203.0.113.8/32")
	p := Compute(set, observed.State{ACLs: acls(aclOf(deny(1, "203.0.113.8/32")))}, standard(window(1, 1)), start)
	wantWords(t, p.Changes,
		"acl-1 delete rule 1 203.0.113.8/32: expired",
		"acl-1 create rule 1 2001:db8::7/128: new ban",
	)
}

func TestAWindowChangesThroughOneSpareSlot(t *testing.T) {
	var bans []desired.Ban
	var entries []observed.Entry
	for i := range 18 {
		p := netip.PrefixFrom(netip.AddrFrom4([4]byte{203, 0, 113, byte(i)}), 32)
		bans, entries = append(bans, ban(p.String(), 0)), append(entries, deny(i+1, p.String()))
	}
	limits := standard(window(50, 90), used(1, 20, shapeAll, 0), func(l *Limits) { l.NoHost = true })
	p := Compute(setOf(bans...), observed.State{ACLs: acls(aclOf(entries...))}, limits, start)
	if len(p.Changes) != 36 {
		t.Errorf("18 entries move with %d calls, not one create and one delete each", len(p.Changes))
	}
	if got := p.Summary.NACL["acl-1"][observed.IPv4].Enforced; got != 18 {
		t.Errorf("%d of 18 are enforced at the end", got)
	}
}

func TestTargetsThatCouldNotBeReadGetNoChanges(t *testing.T) {
	p := Compute(setOf(ban("203.0.113.7/32", 0)), observed.State{}, standard(), start)
	if !p.Empty() || p.Summary.Active != 1 {
		t.Errorf("changes %v, %d active", words(p.Changes), p.Summary.Active)
	}
}

func TestTheSummaryCountsByOwner(t *testing.T) {
	set := setOf(ban("203.0.113.7/32", time.Hour), ban("203.0.113.8/32", time.Hour), ban("2001:db8::7/128", 0))
	acl := aclOf(deny(1, "203.0.113.7/32"), deny(2, "198.51.100.9/32"), denySSH(3, "198.51.100.1/32"), allow(100, "0.0.0.0/0"),
		deny(5, "2001:db8::7/128"), allow(6, "203.0.113.8/32"), deny(7, "203.0.113.8/32"))
	got := Summarise(Prepare(set, standard()), observed.State{Host: holding(set), ACLs: acls(acl)}, standard(), start)
	want := map[observed.Family]ACLSummary{
		observed.IPv4: {Enforced: 1, Capacity: 15, Foreign: 3, Unclaimed: 1, Shadowed: 1},
		observed.IPv6: {Enforced: 1, Capacity: 19},
	}
	for _, f := range observed.Families {
		if s := got.NACL["acl-1"][f]; s != want[f] {
			t.Errorf("%s: %+v, not %+v", f, s, want[f])
		}
	}
	if got.Active != 3 || got.Host.Enforced != 3 {
		t.Errorf("%d active, %d on the host, not 3 and 3", got.Active, got.Host.Enforced)
	}
	overruled := holding(set)
	overruled.Overruled = []observed.Opening{{Why: "rule 1 of INPUT accepts all"}}
	if got := Summarise(Prepare(set, standard()), observed.State{Host: overruled}, standard(), start); got.Host.Enforced != 0 {
		t.Errorf("a host whose jump is overruled counts as enforcing %d", got.Host.Enforced)
	}
}

func TestCapacityEndsBelowAnAllowOfEverything(t *testing.T) {
	got := Summarise(Prepare(setOf(), standard()), observed.State{ACLs: acls(aclOf(allow(5, "0.0.0.0/0")))}, standard(), start)
	if n := got.NACL["acl-1"][observed.IPv4].Capacity; n != 4 {
		t.Errorf("the capacity below rule 5 is %d, not 4", n)
	}
}

func TestWarningsTellWhatAnOperatorShouldKnow(t *testing.T) {
	set := setOf(ban("127.0.0.1/32", 0), ban("203.0.113.7/32", 0), ban("203.0.113.8/32", 0))
	set.Warnings = []string{"the log is shorter than the snapshot"}
	set.Bad = []desired.LineError{{Source: "bans.jsonl", Line: 7}}
	host := holding(setOf(ban("203.0.113.7/32", 0)))
	host.Overruled = []observed.Opening{{Why: "rule 1 of INPUT accepts all"}}
	acl := aclOf(allow(1, "0.0.0.0/0"), deny(3, "198.51.100.9/32"))
	acl.Refused = map[netip.Prefix]string{pfx("203.0.113.8/32"): "malformed", pfx("203.0.113.7/32"): "malformed"}
	limits := standard(window(3, 9), func(l *Limits) { l.HookPin = false })
	p := Compute(set, observed.State{Host: host, ACLs: acls(acl)}, limits, start)
	want := []string{
		"the log is shorter than the snapshot",
		"the ban of 127.0.0.1/32 is refused: it overlaps 127.0.0.0/8 (loopback)",
		"the host does not enforce: rule 1 of INPUT accepts all",
		"`reconciler adopt acl-1` claims them",
		"an allow below the window leaves no number for ipv4 bans",
		"acl-1 refuses 203.0.113.7/32: malformed",
		"acl-1 refuses 203.0.113.8/32: malformed",
		"enforced nowhere: 2 bans",
	}
	if len(p.Warnings) != len(want) {
		t.Fatalf("the warnings are %q", p.Warnings)
	}
	for i, w := range want {
		if !strings.Contains(p.Warnings[i], w) {
			t.Errorf("warning %d is %q and should tell: %s", i, p.Warnings[i], w)
		}
	}
	if len(p.Skipped) != 1 || len(p.Refused) != 1 {
		t.Errorf("skipped %v, refused %v", p.Skipped, p.Refused)
	}
}

func TestAFullHostIsToldOf(t *testing.T) {
	set := setOf(ban("203.0.113.7/32", 0), ban("203.0.113.8/32", 0))
	p := Compute(set, observed.State{Host: hostOf()}, standard(func(l *Limits) { l.HostCap = 1 }), start)
	if !slices.ContainsFunc(p.Warnings, func(w string) bool { return strings.Contains(w, "its limit of 1 bans") }) {
		t.Errorf("the warnings are %q", p.Warnings)
	}
}

func TestPicturesFollowConfirmedWrites(t *testing.T) {
	acl := doubting(aclOf(deny(2, "203.0.113.2/32"), deny(4, "203.0.113.4/32")), 3, "create", "203.0.113.3/32")
	got := ACLAfter(acl, []Change{
		{Action: Replace, Rule: 2, Prefix: pfx("203.0.113.9/32"), Shape: shapeAll},
		{Action: Create, Rule: 3, Prefix: pfx("203.0.113.3/32"), Shape: shapeAll},
		{Action: Delete, Rule: 4},
	})
	want := aclOf(deny(2, "203.0.113.9/32"), deny(3, "203.0.113.3/32"))
	if !slices.Equal(got.Entries, want.Entries) || len(got.Doubts) != 0 {
		t.Errorf("the entries are %v with doubts %v, not %v without", got.Entries, got.Doubts, want.Entries)
	}
	if len(acl.Doubts) != 1 || acl.Entries[0].Prefix != pfx("203.0.113.2/32") {
		t.Errorf("the picture before was changed")
	}
	host := hostOf(entry("203.0.113.2/32", 0), entry("203.0.113.4/32", 0))
	host.Defects, host.Overruled = []string{"the set is missing"}, []observed.Opening{{Why: "overruled"}}
	after := HostAfter(*host, []Change{
		{Action: Repair},
		{Action: Pin},
		{Action: Add, Prefix: pfx("203.0.113.1/32"), Until: start.Add(60 * 24 * time.Hour)},
		{Action: Add, Prefix: pfx("203.0.113.9/32")},
		{Action: Refresh, Prefix: pfx("203.0.113.4/32"), Until: start.Add(time.Hour)},
		{Action: Remove, Prefix: pfx("203.0.113.2/32")},
	}, start)
	wantEntries := hostOf(entry("203.0.113.1/32", MaxTimeout), entry("203.0.113.4/32", time.Hour), entry("203.0.113.9/32", 0)).Entries
	if !slices.Equal(after.Entries, wantEntries) || len(after.Defects)+len(after.Overruled) > 0 || after.PinnedAt != start {
		t.Errorf("the host is %+v", after)
	}
	if gone := HostAfter(*host, []Change{{Action: Remove}}, start); gone.Present || len(gone.Entries) > 0 {
		t.Errorf("after the removal of all the host is %+v", gone)
	}
}
