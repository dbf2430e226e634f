package plan

import (
	"testing"
	"time"

	"reconciler/internal/desired"
	"reconciler/internal/observed"
)

func TestEntriesMoveAfterAChangeOfTheWindow(t *testing.T) {
	two := setOf(ban("203.0.113.7/32", time.Minute), ban("203.0.113.8/32", time.Minute))
	better := setOf(ban("203.0.113.7/32", time.Minute), ban("203.0.113.9/32", 0))
	held := aclOf(deny(3, "203.0.113.7/32"), deny(4, "203.0.113.8/32"))
	moved := used(1, 9, shapeAll, 0)
	runACL(t, []aclCase{
		{
			name: "the new entry comes first", set: two, acl: held, limits: standard(window(50, 90), moved),
			want: []string{"acl-1 create rule 50 203.0.113.7/32: moves from rule 3", "acl-1 create rule 51 203.0.113.8/32: moves from rule 4"},
		},
		{
			name: "before all others that wait", set: better, acl: aclOf(deny(3, "203.0.113.7/32")), limits: standard(window(50, 90), moved, quota(3)),
			want: []string{"acl-1 create rule 50 203.0.113.7/32: moves from rule 3"},
		},
		{
			name: "then the old one goes", set: two, limits: standard(window(50, 90), moved),
			acl: aclOf(deny(3, "203.0.113.7/32"), deny(4, "203.0.113.8/32"), deny(50, "203.0.113.7/32"), deny(51, "203.0.113.8/32")),
			want: []string{
				"acl-1 delete rule 3 203.0.113.7/32: moved to rule 50 after a change of window or shape",
				"acl-1 delete rule 4 203.0.113.8/32: moved to rule 51 after a change of window or shape",
			},
		},
		{
			name: "what is in both windows stays", set: two, acl: held, limits: standard(window(4, 90), moved, quota(20)),
			want: []string{"acl-1 create rule 5 203.0.113.7/32: moves from rule 3"},
		},
		{
			name: "when the quota has no room for both, the old one goes first, for the host has it", set: two, acl: held, limits: standard(window(50, 90), moved, quota(3)),
			want: []string{
				"acl-1 delete rule 3 203.0.113.7/32: moves to the new window; the host enforces it meanwhile",
				"acl-1 delete rule 4 203.0.113.8/32: moves to the new window; the host enforces it meanwhile",
			},
		},
		{name: "and stays when the host has not", set: two, acl: held, host: hostOf(), limits: standard(window(50, 90), moved, quota(3))},
		{
			name: "and stays when the new window has no number for it", set: two, acl: aclOf(deny(3, "203.0.113.7/32"), deny(4, "203.0.113.8/32"), allow(40, "0.0.0.0/0")),
			limits: standard(window(50, 90), moved, quota(4)),
		},
	})
}

func TestAnOverflowHostHoldsWhatMoves(t *testing.T) {
	set := setOf(ban("203.0.113.7/32", 0))
	limits := standard(overflow, window(50, 90), used(1, 9, shapeAll, 0), quota(2))
	p := Compute(set, observed.State{Host: hostOf(), ACLs: acls(aclOf(deny(3, "203.0.113.7/32")))}, limits, start)
	wantWords(t, p.Changes,
		"host add 203.0.113.7/32: new ban",
		"acl-1 delete rule 3 203.0.113.7/32: moves to the new window; the host enforces it meanwhile",
		"acl-1 create rule 50 203.0.113.7/32: new ban",
		"host remove 203.0.113.7/32: moved: every ACL enforces it",
	)
}

func TestEntriesAreReplacedInPlaceAfterAChangeOfShape(t *testing.T) {
	one := setOf(ban("203.0.113.7/32", 0))
	older := used(1, 90, shapeSSH, 0)
	runACL(t, []aclCase{
		{
			name: "with one call", set: one, acl: aclOf(denySSH(3, "203.0.113.7/32")), limits: standard(older),
			want: []string{"acl-1 replace rule 3 203.0.113.7/32 203.0.113.7/32: the shape of bans was changed"},
		},
		{
			name: "unless the new shape would not work there", set: one, limits: standard(older),
			acl:  aclOf(observed.Entry{Number: 2, Prefix: pfx("0.0.0.0/0"), Allow: true, Shape: observed.Shape{Protocol: observed.ProtocolUDP}}, denySSH(3, "203.0.113.7/32")),
			want: []string{"acl-1 create rule 1 203.0.113.7/32: moves from rule 3"},
		},
		{
			name: "of two, the lower stays", set: one, acl: aclOf(denySSH(3, "203.0.113.7/32"), denySSH(4, "203.0.113.7/32")), limits: standard(older),
			want: []string{
				"acl-1 replace rule 3 203.0.113.7/32 203.0.113.7/32: the shape of bans was changed",
				"acl-1 delete rule 4 203.0.113.7/32: duplicate of rule 3",
			},
		},
		{
			name: "a wider ban takes the slot at once", set: setOf(ban("203.0.113.7/32", time.Hour), ban("203.0.113.0/24", 0)), acl: aclOf(denySSH(3, "203.0.113.7/32")), limits: standard(older),
			want: []string{"acl-1 replace rule 3 203.0.113.7/32 203.0.113.0/24: 203.0.113.0/24 covers 203.0.113.7/32; slot reused"},
		},
		{
			name: "not without a record of the old shape", set: one, acl: aclOf(denySSH(3, "203.0.113.7/32")), limits: standard(),
			want: []string{"acl-1 create rule 1 203.0.113.7/32: new ban"},
		},
	})
}

func TestEntriesFollowAChangeOfTheIPv6Width(t *testing.T) {
	one, other := ban("2001:db8::7/128", 0), ban("2001:db8::9/128", time.Hour)
	widen := func(l *Limits) { l.IPv6Prefix = 64 }
	wide := hostOf(entry("2001:db8::/64", 0))
	runACL(t, []aclCase{
		{
			name: "bans of one network share an entry, which ends with the last", set: setOf(one, other), acl: aclOf(), limits: standard(widen), host: wide,
			want: []string{"acl-1 create rule 1 2001:db8::/64: new ban"},
		},
		{
			name: "narrow entries give way to the wide one", set: setOf(one, other), acl: aclOf(deny(3, "2001:db8::7/128"), deny(4, "2001:db8::9/128")), limits: standard(widen), host: wide,
			want: []string{
				"acl-1 replace rule 3 2001:db8::7/128 2001:db8::/64: covered by 2001:db8::/64; slot reused",
				"acl-1 delete rule 4 2001:db8::9/128: covered by 2001:db8::/64",
			},
		},
		{
			name: "a wide entry is replaced by the longest of its bans", set: setOf(one, other), acl: aclOf(deny(3, "2001:db8::/64")), limits: standard(used(1, 90, shapeAll, 64)),
			want: []string{
				"acl-1 replace rule 3 2001:db8::/64 2001:db8::7/128: IPv6 bans are no longer widened to /64; slot reused",
				"acl-1 create rule 1 2001:db8::9/128: new ban",
			},
		},
		{
			name: "a wide entry that was never of ours is not touched", set: setOf(one), acl: aclOf(denySSH(95, "2001:db8::/64"), deny(3, "2001:db8:0:1::/64")), limits: standard(used(1, 90, shapeAll, 64)),
			want: []string{"acl-1 create rule 1 2001:db8::7/128: new ban"},
		},
		{
			name: "a lifted ban lifts the entry that stood for it", set: lifted(setOf(), desired.Unbanned, "2001:db8::7/128"), acl: aclOf(deny(3, "2001:db8::/64")), limits: standard(widen),
			want: []string{"acl-1 delete rule 3 2001:db8::/64: unbanned"},
		},
		{name: "but not while another ban needs it", set: lifted(setOf(other), desired.Unbanned, "2001:db8::7/128"), acl: aclOf(deny(3, "2001:db8::/64")), limits: standard(widen)},
		{
			name: "and one whose bans are all over is expired", set: setOf(ban("2001:db8::7/128", -time.Second)), acl: aclOf(deny(3, "2001:db8::/64")), limits: standard(used(1, 90, shapeAll, 64)),
			want: []string{"acl-1 delete rule 3 2001:db8::/64: expired"},
		},
	})
}

func acls(list ...observed.ACL) []observed.ACL { return list }
