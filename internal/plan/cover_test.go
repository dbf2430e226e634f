package plan

import (
	"testing"
	"time"

	"reconciler/internal/desired"
	"reconciler/internal/observed"
)

func TestACoveredBanNeedsNoSlot(t *testing.T) {
	wide, inside := ban("203.0.113.0/24", time.Hour), ban("203.0.113.7/32", time.Hour)
	longer := ban("203.0.113.7/32", 2*time.Hour)
	someone := observed.Entry{Number: 95, Prefix: pfx("203.0.113.0/24"), Shape: shapeSSH}
	runACL(t, []aclCase{
		{
			name: "when its cover is created in the same plan", set: setOf(wide, inside), acl: aclOf(), limits: standard(),
			want: []string{"acl-1 create rule 1 203.0.113.0/24: new ban"},
		},
		{name: "when its cover is there", set: setOf(wide, inside), acl: aclOf(deny(3, "203.0.113.0/24")), limits: standard()},
		{
			name: "but it does when the cover ends first", set: setOf(wide, longer), acl: aclOf(deny(3, "203.0.113.0/24")), limits: standard(),
			want: []string{"acl-1 create rule 1 203.0.113.7/32: new ban"},
		},
		{
			name: "and its entry goes once the cover is there", set: setOf(wide, inside),
			acl: aclOf(deny(1, "203.0.113.7/32"), deny(3, "203.0.113.0/24")), limits: standard(),
			want: []string{"acl-1 delete rule 1 203.0.113.7/32: covered by 203.0.113.0/24 in rule 3"},
		},
		{
			name: "but stays while the cover ends first", set: setOf(wide, longer),
			acl: aclOf(deny(1, "203.0.113.7/32"), deny(3, "203.0.113.0/24")), limits: standard(),
		},
		{
			name: "but stays while the cover is in doubt", set: setOf(wide, inside), limits: standard(),
			acl: doubting(aclOf(deny(1, "203.0.113.7/32"), deny(3, "203.0.113.0/24")), 3, "delete", ""),
		},
		{name: "when a deny of somebody else covers it", set: setOf(inside), acl: aclOf(deny(95, "203.0.113.0/24")), limits: standard()},
		{
			name: "not when that deny is of the same prefix with a higher number: the other one gives way",
			set:  setOf(inside), acl: aclOf(deny(95, "203.0.113.7/32")), limits: standard(),
			want: []string{"acl-1 create rule 1 203.0.113.7/32: new ban"},
		},
		{name: "but when it has a lower number than ours would", set: setOf(inside), acl: aclOf(deny(3, "203.0.113.7/32")), limits: standard(window(40, 90))},
		{
			name: "and of two of the same prefix the one with the higher number goes", set: setOf(inside), limits: standard(window(40, 90)),
			acl:  aclOf(deny(3, "203.0.113.7/32"), deny(50, "203.0.113.7/32")),
			want: []string{"acl-1 delete rule 50 203.0.113.7/32: covered by the deny of 203.0.113.7/32 in rule 3"},
		},
		{
			name: "so that ours stays when the other is behind it", set: setOf(inside), limits: standard(window(1, 45)),
			acl: aclOf(deny(3, "203.0.113.7/32"), deny(50, "203.0.113.7/32")),
		},
		{
			name: "but it does when that deny blocks less", set: setOf(inside), acl: aclOf(someone), limits: standard(),
			want: []string{"acl-1 create rule 1 203.0.113.7/32: new ban"},
		},
		{
			name: "but it does when an allow overrules that deny for it", set: setOf(inside), limits: standard(),
			acl:  aclOf(allow(94, "203.0.113.7/32"), deny(95, "203.0.113.0/24")),
			want: []string{"acl-1 create rule 1 203.0.113.7/32: new ban"},
		},
		{
			name: "and an allow of other addresses in it does not matter", set: setOf(inside), limits: standard(),
			acl: aclOf(allow(94, "203.0.113.9/32"), deny(95, "203.0.113.0/24")),
		},
	})
}

func TestALiftedCoverIsReplacedInPlaceByTheLongestInIt(t *testing.T) {
	first, second := ban("203.0.113.7/32", time.Hour), ban("203.0.113.8/32", 2*time.Hour)
	other := ban("198.51.100.1/32", 0)
	gone := lifted(setOf(first, second, other), desired.Expired, "203.0.113.0/24")
	runACL(t, []aclCase{
		{
			name: "also when another ban has a better rank", set: gone, acl: aclOf(deny(3, "203.0.113.0/24")), limits: standard(quota(2)),
			want: []string{"acl-1 replace rule 3 203.0.113.0/24 203.0.113.8/32: expired; slot reused"},
		}, {
			name: "and by a ban that is covered itself only through its cover",
			set:  lifted(setOf(ban("203.0.113.0/28", time.Hour), first), desired.Unbanned, "203.0.113.0/24"),
			acl:  aclOf(deny(3, "203.0.113.0/24")), limits: standard(),
			want: []string{"acl-1 replace rule 3 203.0.113.0/24 203.0.113.0/28: unbanned; slot reused"},
		}, {
			name: "not while bans in it are enforced nowhere else: those get slots of their own first",
			set:  gone, acl: aclOf(deny(3, "203.0.113.0/24")), host: hostOf(), limits: standard(),
			want: []string{
				"acl-1 create rule 1 203.0.113.8/32: new ban",
				"acl-1 create rule 2 203.0.113.7/32: new ban",
				"acl-1 create rule 4 198.51.100.1/32: new ban",
			},
		}, {
			name: "nor while the host holds them only through an entry that is to go",
			set:  gone, acl: aclOf(deny(3, "203.0.113.0/24")), host: hostOf(entry("203.0.113.0/24", time.Hour)), limits: standard(quota(2)),
		}, {
			name: "not at all while they have no other place", set: gone, acl: aclOf(deny(3, "203.0.113.0/24")), host: hostOf(), limits: standard(quota(2)),
		}, {
			name: "but at once without a host, when there is no room for both", set: gone, acl: aclOf(deny(3, "203.0.113.0/24")), host: hostOf(),
			limits: standard(quota(2), func(l *Limits) { l.NoHost = true }),
			want:   []string{"acl-1 replace rule 3 203.0.113.0/24 203.0.113.8/32: expired; slot reused"},
		}, {
			name: "and at once when it blocks a protected address", set: gone, acl: aclOf(deny(3, "203.0.113.0/24")), host: hostOf(),
			limits: standard(quota(2), func(l *Limits) { l.Guard.Protected = []Protected{{Prefix: pfx("203.0.113.99/32"), Rule: "--ignore"}} }),
			want:   []string{"acl-1 replace rule 3 203.0.113.0/24 203.0.113.8/32: protected: it overlaps 203.0.113.99/32 (--ignore); slot reused"},
		},
	})
}

func TestAWiderBanTakesASlotThatItCovers(t *testing.T) {
	wide := ban("203.0.113.0/24", time.Hour)
	runACL(t, []aclCase{
		{
			name: "with one call, and no second slot", set: setOf(wide, ban("203.0.113.7/32", time.Minute)), acl: aclOf(deny(3, "203.0.113.7/32")), limits: standard(),
			want: []string{"acl-1 replace rule 3 203.0.113.7/32 203.0.113.0/24: 203.0.113.0/24 covers 203.0.113.7/32; slot reused"},
		}, {
			name: "not that of a ban that it does not outlive", set: setOf(wide, ban("203.0.113.7/32", 2*time.Hour)), acl: aclOf(deny(3, "203.0.113.7/32")), limits: standard(),
			want: []string{"acl-1 create rule 1 203.0.113.0/24: new ban"},
		}, {
			name: "also when the quota is full", set: setOf(wide, ban("203.0.113.7/32", time.Minute)), acl: aclOf(deny(3, "203.0.113.7/32")), limits: standard(quota(2)),
			want: []string{"acl-1 replace rule 3 203.0.113.7/32 203.0.113.0/24: 203.0.113.0/24 covers 203.0.113.7/32; slot reused"},
		},
	})
	set := setOf(wide, ban("203.0.113.7/32", time.Minute))
	changes, _ := ForACL(Prepare(set, standard()), aclOf(deny(3, "203.0.113.7/32")), nil, standard(), start)
	if changes[0].Reason != desired.Covered {
		t.Errorf("what the wider ban takes over goes for the reason %q, not covered", changes[0].Reason)
	}
}

func TestDuplicatesAreRemoved(t *testing.T) {
	one := setOf(ban("203.0.113.7/32", 0))
	runACL(t, []aclCase{
		{
			name: "the lower number stays", set: one, acl: aclOf(deny(3, "203.0.113.7/32"), deny(5, "203.0.113.7/32")), limits: standard(),
			want: []string{"acl-1 delete rule 5 203.0.113.7/32: duplicate of rule 3"},
		},
		{
			name: "its slot is reused when another ban waits", set: setOf(ban("203.0.113.7/32", 0), ban("203.0.113.9/32", 0)),
			acl: aclOf(deny(3, "203.0.113.7/32"), deny(5, "203.0.113.7/32")), limits: standard(quota(3)),
			want: []string{"acl-1 replace rule 5 203.0.113.7/32 203.0.113.9/32: duplicate of rule 3; slot reused"},
		},
		{
			name: "but the one whose number is not in doubt", set: one, limits: standard(),
			acl:  doubting(aclOf(deny(3, "203.0.113.7/32"), deny(5, "203.0.113.7/32")), 3, "delete", ""),
			want: nil,
		},
	})
}

// doubting puts the write to a number in doubt.
func doubting(acl observed.ACL, n int, action, prefix string) observed.ACL {
	if acl.Doubts == nil {
		acl.Doubts = map[int]observed.Doubt{}
	}
	d := observed.Doubt{Action: action, Since: start}
	if prefix != "" {
		d.Prefix = pfx(prefix)
	}
	acl.Doubts[n] = d
	return acl
}
