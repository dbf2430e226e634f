package plan

import (
	"testing"
	"time"

	"reconciler/internal/desired"
	"reconciler/internal/observed"
)

// hostCase is one row of a table about ForHost.
type hostCase struct {
	name     string
	set      desired.Set
	host     *observed.Host
	acls     []observed.ACL
	limits   Limits
	want     []string
	withheld []string
}

func runHost(t *testing.T, cases []hostCase) {
	t.Helper()
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			changes, withheld := ForHost(Prepare(c.set, c.limits), *c.host, c.acls, c.limits, start)
			wantWords(t, changes, c.want...)
			wantWords(t, withheld, c.withheld...)
		})
	}
}

const unexplained = "withheld: no record says why it should go"

func TestTheHostHoldsEveryBan(t *testing.T) {
	set := setOf(ban("203.0.113.7/32", time.Hour), ban("2001:db8::7/128", 0))
	blindToIPv6 := hostOf()
	blindToIPv6.NoIPv6 = true
	lost := hostOf(entry("2001:db8::7/128", 0))
	lost.Lost = prefixes("203.0.113.7/32")
	runHost(t, []hostCase{
		{
			name: "also one that an ACL holds", set: set, host: hostOf(), acls: acls(aclOf(deny(1, "203.0.113.7/32"))), limits: standard(),
			want: []string{"host add 203.0.113.7/32: new ban", "host add 2001:db8::7/128: new ban"},
		},
		{name: "and nothing is done when it does", set: set, host: holding(set), limits: standard()},
		{name: "what was lost is called drift", set: set, host: lost, limits: standard(), want: []string{"host add 203.0.113.7/32: drift: its entry was gone"}},
		{name: "but no IPv6 ban where the kernel cannot filter it", set: set, host: blindToIPv6, limits: standard(), want: []string{"host add 203.0.113.7/32: new ban"}},
		{
			name: "lifted ones go, with the reason", set: lifted(setOf(), desired.Flushed, "203.0.113.7/32"), host: hostOf(entry("203.0.113.7/32", time.Hour)), limits: standard(),
			want: []string{"host remove 203.0.113.7/32: flushed"},
		},
		{
			name: "a ban that is over goes when its entry would stay", set: setOf(ban("203.0.113.7/32", -time.Second)), host: hostOf(entry("203.0.113.7/32", 0)), limits: standard(),
			want: []string{"host remove 203.0.113.7/32: expired"},
		},
	})
}

func TestTheKernelsOwnExpiryNeedsNoRemoval(t *testing.T) {
	over := setOf(ban("203.0.113.7/32", -time.Second))
	host := hostOf(entry("203.0.113.7/32", -time.Second))
	lingering := hostOf(entry("203.0.113.7/32", -time.Second))
	lingering.Lingers = true
	runHost(t, []hostCase{
		{name: "of a set", set: over, host: host, limits: standard()},
		{name: "and of a restored rule that no record names its own end is the reason", set: setOf(), host: lingering, limits: standard(), want: []string{"host remove 203.0.113.7/32: expired"}},
		{name: "but a rule has no timeout and is removed", set: over, host: lingering, limits: standard(), want: []string{"host remove 203.0.113.7/32: expired"}},
	})
}

func TestAnEndIsRefreshedOnlyWhenItIsWrong(t *testing.T) {
	long := MaxTimeout + 10*24*time.Hour
	for _, c := range []struct {
		name       string
		ban, entry time.Duration // 0: permanent
		want       string
	}{
		{"the same", time.Hour, time.Hour, ""},
		{"two seconds are the kernel's rounding", time.Hour, time.Hour - 2*time.Second, ""},
		{"either way", time.Hour, time.Hour + 2*time.Second, ""},
		{"three are not", time.Hour, time.Hour - 3*time.Second, "prolonged"},
		{"nor the other way", time.Hour, time.Hour + 3*time.Second, "shortened"},
		{"an entry that ended is no entry", time.Second, -time.Second, "prolonged"},
		{"permanent in both", 0, 0, ""},
		{"became permanent", 0, time.Hour, "prolonged"},
		{"is permanent no longer", time.Hour, 0, "shortened"},
		{"is long, but permanent no longer", long, 0, "shortened"},
		{"clamped to the longest timeout", long, MaxTimeout, ""},
		{"clamped, and less than a day old", long, MaxTimeout - 24*time.Hour, ""},
		{"clamped, and a day old", long, MaxTimeout - 24*time.Hour - time.Second, "prolonged"},
		{"later than any clamp, and not its end", long, long + time.Hour, "shortened"},
		{"long, where nothing clamps", long, long, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			set := setOf(ban("203.0.113.7/32", c.ban))
			changes, _ := ForHost(Prepare(set, standard()), *hostOf(entry("203.0.113.7/32", c.entry)), nil, standard(), start)
			if c.want == "" {
				wantWords(t, changes)
			} else {
				wantWords(t, changes, "host refresh 203.0.113.7/32: "+c.want)
			}
		})
	}
}

func TestOnTheHostACoverDoesTheWorkOfWhatItOutlives(t *testing.T) {
	wide, inside, longer := ban("203.0.113.0/24", time.Hour), ban("203.0.113.7/32", time.Hour), ban("203.0.113.8/32", 2*time.Hour)
	set := setOf(wide, inside, longer)
	runHost(t, []hostCase{
		{
			name: "so only what outlives it has an entry of its own", set: set, host: hostOf(), limits: standard(),
			want: []string{"host add 203.0.113.0/24: new ban", "host add 203.0.113.8/32: new ban"},
		},
		{
			name: "an entry stays until its cover is there", set: set, host: hostOf(entry("203.0.113.7/32", time.Hour), entry("203.0.113.8/32", 2*time.Hour)), limits: standard(),
			want: []string{"host add 203.0.113.0/24: new ban"},
		},
		{
			name: "and until its cover lasts as long", set: setOf(wide, inside), host: hostOf(entry("203.0.113.0/24", time.Minute), entry("203.0.113.7/32", time.Hour)), limits: standard(),
			want: []string{"host refresh 203.0.113.0/24: prolonged"},
		},
		{
			name: "then it goes", set: setOf(wide, inside), host: hostOf(entry("203.0.113.0/24", time.Hour), entry("203.0.113.7/32", time.Hour)), limits: standard(),
			want: []string{"host remove 203.0.113.7/32: covered by 203.0.113.0/24"},
		},
		{
			name: "a lifted cover stays until what it covered is there", set: lifted(setOf(inside), desired.Unbanned, "203.0.113.0/24"), host: hostOf(entry("203.0.113.0/24", time.Hour)), limits: standard(),
			want: []string{"host add 203.0.113.7/32: new ban"},
		},
		{
			name: "then it goes as well", set: lifted(setOf(inside), desired.Unbanned, "203.0.113.0/24"), host: hostOf(entry("203.0.113.0/24", time.Hour), entry("203.0.113.7/32", time.Hour)), limits: standard(),
			want: []string{"host remove 203.0.113.0/24: unbanned"},
		},
	})
}

func TestAFullHostDoesNotThrash(t *testing.T) {
	low, high := ban("203.0.113.7/32", time.Minute), ban("203.0.113.8/32", 0)
	limit := func(n int) Limits { return standard(func(l *Limits) { l.HostCap = n }) }
	wide := ban("203.0.113.0/24", time.Hour)
	runHost(t, []hostCase{
		{name: "the best by rank come in", set: setOf(low, high), host: hostOf(), limits: limit(1), want: []string{"host add 203.0.113.8/32: new ban"}},
		{name: "but displace nobody", set: setOf(low, high), host: hostOf(entry("203.0.113.7/32", time.Minute)), limits: limit(1)},
		{
			name: "a lower limit sheds by rank", set: setOf(low, high), host: holding(setOf(low, high)), limits: limit(1),
			want: []string{"host remove 203.0.113.7/32: the host's limit of 1 entries"},
		},
		{name: "a cover that finds no room takes nothing away", set: setOf(wide, low, high), host: holding(setOf(low, high)), limits: limit(2)},
	})
}

func TestARemovalWithoutAReasonIsWithheld(t *testing.T) {
	host := hostOf(entry("203.0.113.7/32", time.Hour), entry("203.0.113.8/32", time.Hour))
	set := lifted(setOf(), desired.Expired, "203.0.113.8/32")
	set.Lifted[pfx("203.0.113.7/32")] = "" // a record that tells no reason
	bare := lifted(setOf(), desired.Expired, "203.0.113.8/32")
	force := standard(func(l *Limits) { l.Force = true })
	runHost(t, []hostCase{
		{
			name: "and the rest is done", set: bare, host: host, limits: standard(),
			want: []string{"host remove 203.0.113.8/32: expired"}, withheld: []string{"host remove 203.0.113.7/32: " + unexplained},
		},
		{
			name: "also when a record tells none", set: set, host: host, limits: standard(),
			want: []string{"host remove 203.0.113.8/32: expired"}, withheld: []string{"host remove 203.0.113.7/32: " + unexplained},
		},
		{
			name: "unless forced", set: bare, host: host, limits: force,
			want: []string{"host remove 203.0.113.7/32: no record explains it; removal confirmed", "host remove 203.0.113.8/32: expired"},
		},
	})
	changes, _ := ForHost(Prepare(bare, force), *host, nil, force, start)
	if changes[0].Reason != desired.Forced {
		t.Errorf("the reason of a forced removal is %q", changes[0].Reason)
	}
}

func TestStructureIsMendedFirst(t *testing.T) {
	set := setOf(ban("203.0.113.7/32", 0))
	broken := hostOf()
	broken.Defects = []string{"the set is missing", "the jump is missing"}
	overruled := func(since time.Duration) *observed.Host {
		h := holding(set)
		h.Overruled = []observed.Opening{{Why: "rule 1 of INPUT accepts all"}}
		if since > 0 {
			h.PinnedAt = start.Add(-since)
		}
		return h
	}
	pin := "host pin: rule 1 of INPUT accepts all"
	runHost(t, []hostCase{
		{
			name: "chain, set and jump", set: set, host: broken, limits: standard(),
			want: []string{"host repair: the set is missing; the jump is missing", "host add 203.0.113.7/32: new ban"},
		},
		{name: "a jump that was never moved up is", set: set, host: overruled(0), limits: standard(), want: []string{pin}},
		{name: "but not again within ten minutes", set: set, host: overruled(10*time.Minute - time.Second), limits: standard()},
		{name: "after ten minutes it is", set: set, host: overruled(10 * time.Minute), limits: standard(), want: []string{pin}},
		{name: "unless that is forbidden", set: set, host: overruled(0), limits: standard(func(l *Limits) { l.HookPin = false })},
	})
}

// A way past our rule that begins above the hook stays when the jump goes to
// the hook's top: no pin is tried for it, and none is foretold to help.
func TestAWayAroundTheHookIsNoMatterOfThePin(t *testing.T) {
	set := setOf(ban("203.0.113.7/32", 0))
	around := observed.Opening{Why: "rule 1 of FORWARD accepts all", Fixed: true}
	fixed, both := holding(set), holding(set)
	fixed.Overruled = []observed.Opening{around}
	both.Overruled = []observed.Opening{around, {Why: "rule 1 of DOCKER-USER accepts all"}}
	runHost(t, []hostCase{
		{name: "a way around the hook", set: set, host: fixed, limits: standard()},
		{name: "beside one in the hook", set: set, host: both, limits: standard(), want: []string{"host pin: rule 1 of DOCKER-USER accepts all"}},
	})
	after := HostAfter(*both, []Change{{Action: Pin}}, start)
	if len(after.Overruled) != 1 || after.Overruled[0].Why != around.Why {
		t.Errorf("of a pin it is foretold that this is left: %v", after.Overruled)
	}
	if hostHolds(&after, standard(), start)(pfx("203.0.113.7/32")) {
		t.Error("the ban counts as enforced, and packets go around the hook")
	}
}

// Without a hook there is no place for a repair, which would take the jump away
// that is in force; a set that is there is kept up.
func TestWithoutAHookWhatIsInForceStays(t *testing.T) {
	set := setOf(ban("203.0.113.7/32", 0), ban("203.0.113.8/32", 0))
	sound, damaged, none := hostOf(entry("203.0.113.7/32", 0)), hostOf(entry("203.0.113.7/32", 0)), hostOf()
	damaged.Defects, none.Present = []string{"the jump from input is missing"}, false
	for _, h := range []*observed.Host{sound, damaged, none} {
		h.Unhooked = true
	}
	runHost(t, []hostCase{
		{name: "a set and its chain", set: set, host: sound, limits: standard(), want: []string{"host add 203.0.113.8/32: new ban"}},
		{name: "something of it is missing", set: set, host: damaged, limits: standard()},
		{name: "nothing is there", set: set, host: none, limits: standard()},
	})
	if hostHolds(sound, standard(), start)(pfx("203.0.113.7/32")) {
		t.Error("a ban counts as enforced through a hook that does not exist")
	}
}

func TestOverflowKeepsOnTheHostWhatTheEdgeHasNot(t *testing.T) {
	set := setOf(ban("203.0.113.7/32", time.Hour), ban("203.0.113.8/32", time.Hour))
	two := func(l *Limits) { l.ACLs = []string{"acl-1", "acl-2"} }
	has := func(id string, entries ...observed.Entry) observed.ACL { return named(id, aclOf(entries...)) }
	seven, eight := deny(1, "203.0.113.7/32"), deny(2, "203.0.113.8/32")
	moved := "host remove 203.0.113.7/32: moved: every ACL enforces it"
	runHost(t, []hostCase{
		{
			name: "a ban is on the host first", set: set, host: hostOf(), acls: acls(aclOf()), limits: standard(overflow),
			want: []string{"host add 203.0.113.7/32: new ban", "host add 203.0.113.8/32: new ban"},
		},
		{name: "and leaves it when the ACL has it", set: set, host: holding(set), acls: acls(aclOf(seven)), limits: standard(overflow), want: []string{moved}},
		{
			name: "not while one of several ACLs lacks it", set: set, host: holding(set), acls: acls(has("acl-1", seven, eight), has("acl-2", eight)), limits: standard(overflow, two),
			want: []string{"host remove 203.0.113.8/32: moved: every ACL enforces it"},
		},
		{name: "not while one of them could not be read", set: set, host: holding(set), acls: acls(has("acl-1", seven, eight)), limits: standard(overflow, two)},
		{name: "not without any ACL", set: set, host: holding(set), limits: standard(overflow, func(l *Limits) { l.ACLs = nil })},
		{name: "not for an entry that an allow overrules", set: set, host: holding(set), acls: acls(aclOf(allow(1, "203.0.113.7/32"), deny(2, "203.0.113.7/32"))), limits: standard(overflow)},
		{
			name: "not for a cover that ends first", set: setOf(ban("203.0.113.0/24", time.Minute), ban("203.0.113.7/32", time.Hour)),
			host: hostOf(entry("203.0.113.7/32", time.Hour)), acls: acls(aclOf(deny(1, "203.0.113.0/24"))), limits: standard(overflow),
		},
		{
			name: "but for one that does not", set: setOf(ban("203.0.113.0/24", time.Hour), ban("203.0.113.7/32", time.Hour)),
			host: hostOf(entry("203.0.113.7/32", time.Hour)), acls: acls(aclOf(deny(1, "203.0.113.0/24"))), limits: standard(overflow), want: []string{moved},
		},
		{
			name: "not for a deny of somebody else, which may end at any moment", set: setOf(ban("203.0.113.7/32", time.Hour)),
			host: hostOf(entry("203.0.113.7/32", time.Hour)), acls: acls(aclOf(deny(95, "203.0.113.0/24"))), limits: standard(overflow),
		},
		{name: "not for an entry that no read has shown since it was written", set: set, host: holding(set), acls: acls(unshown(aclOf(seven), 1)), limits: standard(overflow)},
		{name: "not while an entry in our window looks like ours and is not", set: set, host: holding(set), acls: acls(aclOf(seven, deny(9, "192.0.2.1/32"))), limits: standard(overflow)},
		{
			name: "though one in another place may", set: set, host: holding(set), acls: acls(aclOf(seven, deny(95, "192.0.2.1/32"))),
			limits: standard(overflow), want: []string{moved},
		},
		{name: "not when others have changed what was there", set: set, host: holding(set), acls: acls(changed(aclOf(seven))), limits: standard(overflow)},
		{name: "and it comes back when the ACL loses it", set: set, host: hostOf(), acls: acls(aclOf(eight)), limits: standard(overflow), want: []string{"host add 203.0.113.7/32: new ban"}},
		{name: "in the other mode the host keeps all", set: set, host: holding(set), acls: acls(aclOf(seven, eight)), limits: standard()},
	})
}
