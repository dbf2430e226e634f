package plan

import (
	"slices"
	"strings"
	"testing"

	"reconciler/internal/observed"
)

// guardingACL is an ACL of these subnets that holds a ban; no names: of none.
func guardingACL(id string, subnets ...string) observed.ACL {
	acl := named(id, aclOf(deny(1, "203.0.113.7/32")))
	acl.Subnets = append([]string{}, subnets...)
	return acl
}

// The host lets a ban go, and a ban counts as at the edge, only where every
// packet to this host meets an ACL that has it.
func TestOnlyACLsOfAllSubnetsOfThisHostRelieveIt(t *testing.T) {
	unknown := guardingACL("acl-1")
	unknown.Subnets = nil
	empty := named("acl-2", aclOf())
	empty.Subnets = []string{"subnet-b"}
	for _, c := range []struct {
		name     string
		subnets  []string // of the host
		acls     []observed.ACL
		kept     []string
		relieved bool
		enforced string // what blocks the ban besides the host
		says     []string
	}{
		{name: "its own subnet's", subnets: []string{"subnet-a"}, acls: acls(guardingACL("acl-1", "subnet-a")), relieved: true, enforced: "acl-1#1"},
		{name: "its own and another's", subnets: []string{"subnet-a"}, acls: acls(guardingACL("acl-1", "subnet-a", "subnet-x")), relieved: true, enforced: "acl-1#1"},
		{name: "another subnet's", subnets: []string{"subnet-a"}, acls: acls(guardingACL("acl-1", "subnet-x")), says: []string{
			"acl-1 guards no subnet of this host (subnet-a)", "guards subnet-a of this host: nothing is blocked at its edge",
		}},
		{name: "no subnet's", subnets: []string{"subnet-a"}, acls: acls(guardingACL("acl-1")), says: []string{"acl-1 guards no subnet at all", "guards subnet-a of this host"}},
		{name: "no subnet's, its own not known", acls: acls(guardingACL("acl-1")), says: []string{"acl-1 guards no subnet at all"}},
		{name: "some subnet's, its own not known", acls: acls(guardingACL("acl-1", "subnet-x")), relieved: true, enforced: "acl-1#1"},
		{name: "of subnets not told", subnets: []string{"subnet-a"}, acls: acls(unknown), relieved: true, enforced: "acl-1#1"},
		{name: "one of its two subnets'", subnets: []string{"subnet-a", "subnet-b"}, acls: acls(guardingACL("acl-1", "subnet-a")), enforced: "acl-1#1", says: []string{
			"no network ACL that is kept guards subnet-b of this host",
		}},
		{name: "both of its subnets'", subnets: []string{"subnet-a", "subnet-b"}, acls: acls(guardingACL("acl-1", "subnet-a"), guardingACL("acl-2", "subnet-b")), relieved: true, enforced: "acl-1#1, acl-2#1"},
		{name: "both, and one lacks the ban", subnets: []string{"subnet-a", "subnet-b"}, acls: acls(guardingACL("acl-1", "subnet-a"), empty), enforced: "acl-1#1"},
		{name: "its own, while another subnet's lacks the ban", subnets: []string{"subnet-a"}, acls: acls(guardingACL("acl-1", "subnet-a"), empty), relieved: true, enforced: "acl-1#1", says: []string{"acl-2 guards no subnet of this host"}},
		{name: "its own, while one that cannot be its own was not read", subnets: []string{"subnet-a"}, kept: []string{"acl-1", "acl-9"}, acls: acls(guardingACL("acl-1", "subnet-a")), relieved: true, enforced: "acl-1#1"},
		{name: "one of its own was not read", subnets: []string{"subnet-a", "subnet-b"}, kept: []string{"acl-1", "acl-9"}, acls: acls(guardingACL("acl-1", "subnet-a")), enforced: "acl-1#1"},
		{name: "some subnet's, another not read and its own not known", kept: []string{"acl-1", "acl-9"}, acls: acls(guardingACL("acl-1", "subnet-x")), enforced: "acl-1#1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			limits := standard(func(l *Limits) { l.HostMode, l.Subnets, l.ACLs = HostOverflow, c.subnets, c.kept })
			if c.kept == nil {
				for _, a := range c.acls {
					limits.ACLs = append(limits.ACLs, a.ID)
				}
			}
			want := Prepare(setOf(ban("203.0.113.7/32", 0)), limits)
			have := observed.State{Host: holding(want.set), ACLs: c.acls}
			changes, _ := ForHost(want, *have.Host, have.ACLs, limits, start)
			if relieved := len(changes) > 0; relieved != c.relieved {
				t.Errorf("the host is to %v", changes)
			}
			where := Locate(want, have, limits, start)
			if got := strings.Join(where.Of(pfx("203.0.113.7/32")), ", "); got != strings.TrimPrefix(c.enforced+", host", ", ") {
				t.Errorf("it is enforced by %s", got)
			}
			if all, _ := where.Tally(); (all[Both] == 1) != c.relieved {
				t.Errorf("the bans are %v", all)
			}
			_, says := Examine(want, have, limits, start)
			if len(says) != len(c.says) || slices.ContainsFunc(c.says, func(w string) bool { return !strings.Contains(strings.Join(says, "\n"), w) }) {
				t.Errorf("it says %q, not %q", says, c.says)
			}
		})
	}
}

func TestAnACLOfAnotherSubnetCountsForNothing(t *testing.T) {
	limits := standard(func(l *Limits) { l.Subnets, l.NoHost = []string{"subnet-a"}, true })
	want := Prepare(setOf(ban("203.0.113.7/32", 0)), limits)
	have := observed.State{ACLs: acls(guardingACL("acl-1", "subnet-x"))}
	sum, says := Examine(want, have, limits, start)
	if n := sum.NACL["acl-1"][observed.IPv4].Enforced; n != 0 {
		t.Errorf("it enforces %d bans", n)
	}
	if last := says[len(says)-1]; !strings.HasPrefix(last, "enforced nowhere: 1 ban;") {
		t.Errorf("it says %q", says)
	}
	lines := strings.Join(Locate(want, have, limits, start).Explain(pfx("203.0.113.7/32"), nil), "\n")
	for _, w := range []string{"not blocked as a whole anywhere", "acl-1 guards no subnet of this host (subnet-a): what it holds does not count."} {
		if !strings.Contains(lines, w) {
			t.Errorf("it does not say %q:\n%s", w, lines)
		}
	}
}

func TestWhatIsBelievedIsSaid(t *testing.T) {
	limits := standard()
	limits.ACLs = []string{"acl-1", "acl-2"}
	both := acls(guardingACL("acl-1", "subnet-x"), guardingACL("acl-2"))
	if words := Believed(both, limits); !strings.Contains(words, "acl-1 counts as guarding it because it is configured") {
		t.Errorf("it says %q", words)
	}
	limits.Subnets = []string{"subnet-a"}
	if words := Believed(both, limits); words != "" {
		t.Errorf("it says %q", words)
	}
}
