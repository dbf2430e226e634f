package plan

import (
	"testing"
	"time"

	"reconciler/internal/desired"
)

const again = "the last write to this number got no answer; the same again"

func TestAWriteInDoubtIsRepeatedOnItsNumber(t *testing.T) {
	one, two := ban("203.0.113.7/32", time.Hour), ban("203.0.113.8/32", 0)
	stale := lifted(setOf(one), desired.Expired, "203.0.113.9/32")
	runACL(t, []aclCase{
		{
			name: "a create, and nobody else gets the number", set: setOf(one, two), acl: doubting(aclOf(), 1, "create", "203.0.113.7/32"), limits: standard(),
			want: []string{
				"acl-1 create rule 1 203.0.113.7/32: " + again,
				"acl-1 create rule 2 203.0.113.8/32: new ban",
			},
		},
		{
			name: "it counts against the quota, for it may be there", set: setOf(one, two), acl: doubting(aclOf(), 1, "create", "203.0.113.7/32"), limits: standard(quota(2)),
			want: []string{"acl-1 create rule 1 203.0.113.7/32: " + again},
		},
		{
			name: "a replace", set: stale, acl: doubting(aclOf(deny(4, "203.0.113.9/32")), 4, "replace", "203.0.113.7/32"), limits: standard(),
			want: []string{"acl-1 replace rule 4 203.0.113.9/32 203.0.113.7/32: " + again},
		},
		{
			name: "a delete", set: lifted(setOf(one), desired.Expired, "203.0.113.9/32"), acl: doubting(aclOf(deny(4, "203.0.113.9/32")), 4, "delete", ""), limits: standard(),
			want: []string{
				"acl-1 create rule 1 203.0.113.7/32: new ban",
				"acl-1 delete rule 4 203.0.113.9/32: expired",
			},
		},
	})
}

func TestAWriteInDoubtIsNotRepeatedWithoutSense(t *testing.T) {
	one := ban("203.0.113.7/32", time.Hour)
	runACL(t, []aclCase{
		{
			name: "when the ban was lifted; its number stays free until more is known", set: setOf(ban("203.0.113.8/32", 0)),
			acl: doubting(aclOf(), 1, "create", "203.0.113.7/32"), limits: standard(),
			want: []string{"acl-1 create rule 2 203.0.113.8/32: new ban"},
		},
		{name: "when the entry is there", set: setOf(one), acl: doubting(aclOf(deny(1, "203.0.113.7/32")), 1, "create", "203.0.113.7/32"), limits: standard()},
		{
			name: "when somebody else took the number; the ban gets another", set: setOf(one),
			acl: doubting(aclOf(deny(1, "198.51.100.0/25")), 1, "create", "203.0.113.7/32"), limits: standard(),
			want: []string{"acl-1 create rule 2 203.0.113.7/32: new ban"},
		},
		{
			name: "when the number is out of the window now", set: setOf(one), acl: doubting(aclOf(), 1, "create", "203.0.113.7/32"), limits: standard(window(5, 9)),
			want: []string{"acl-1 create rule 5 203.0.113.7/32: new ban"},
		},
		{
			name: "when an allow overrules the number now", set: setOf(one), acl: doubting(aclOf(allow(6, "0.0.0.0/0")), 7, "create", "203.0.113.7/32"), limits: standard(),
			want: []string{"acl-1 create rule 1 203.0.113.7/32: new ban"},
		},
		{
			name: "when others have filled the quota", set: setOf(one), limits: standard(quota(2)),
			acl: doubting(aclOf(deny(5, "198.51.100.0/25")), 1, "create", "203.0.113.7/32"),
		},
		{
			name: "when a cover has come", set: setOf(one, ban("203.0.113.0/24", 0)), limits: standard(),
			acl: doubting(aclOf(deny(5, "203.0.113.0/24")), 1, "create", "203.0.113.7/32"),
		},
		{
			name: "over an entry of the other family", set: lifted(setOf(one), desired.Expired, "2001:db8::/64"), limits: standard(window(1, 1)),
			acl: doubting(aclOf(deny(1, "2001:db8::/64")), 1, "create", "203.0.113.7/32"), want: []string{"acl-1 delete rule 1 2001:db8::/64: expired"},
		},
	})
}

func TestAnEntryInDoubtIsNoEnforcement(t *testing.T) {
	set := setOf(ban("203.0.113.7/32", time.Hour))
	acl := doubting(aclOf(deny(1, "203.0.113.7/32")), 1, "delete", "")
	changes, _ := ForHost(Prepare(set, standard(overflow)), *holding(set), acls(acl), standard(overflow), start)
	wantWords(t, changes)
}
