package plan

import (
	"net/netip"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"reconciler/internal/desired"
	"reconciler/internal/observed"
)

// neighbour is one of several hosts that keep one ACL, each in a window of its
// own. What is behind it comes between its look and its last call, as others act.
type neighbour struct {
	limits  Limits
	pending []Change
}

// look plans from what the ACL holds at this moment.
func (n *neighbour) look(set desired.Set, acl *fakeACL) {
	n.pending, _ = ForACL(Prepare(set, n.limits), acl.observe(), nil, n.limits, start)
}

// drawNeighbours gives hosts without a firewall of their own, so that the ACL is
// all that there is, with disjoint windows in any order.
func drawNeighbours(t *rapid.T) []*neighbour {
	n := rapid.IntRange(2, 5).Draw(t, "neighbours")
	order := rapid.Permutation([]int{0, 1, 2, 3, 4}[:n]).Draw(t, "order of the windows")
	quota := rapid.IntRange(4, 60).Draw(t, "quota")
	var all []*neighbour
	for _, i := range order {
		l := Limits{
			Window: observed.Window{First: 1 + 12*i, Last: 12 + 12*i}, Shape: shapeAll, Quota: quota,
			ACLs: []string{"acl-1"}, HostMode: HostAll, NoHost: true,
		}
		if flip(t, 4, "less traffic") {
			l.Shape = shapeSSH
		}
		all = append(all, &neighbour{limits: l})
	}
	return all
}

// drawShared gives bans that all of the neighbours have, and an ACL in which some
// of them are, once or more.
func drawShared(t *rapid.T, hosts []*neighbour) (desired.Set, *fakeACL) {
	chosen := rapid.SliceOfNDistinct(rapid.SampledFrom(pool), 1, 6, rapid.ID).Draw(t, "banned by all")
	var bans []desired.Ban
	for _, p := range chosen {
		bans = append(bans, desired.Ban{Prefix: p, Until: drawEnd(t, start.Add(1), "end"), Jails: []string{"sshd"}})
	}
	limits := hosts[0].limits
	acl := &fakeACL{id: "acl-1", entries: map[int]observed.Entry{}, quota: map[observed.Family]int{observed.IPv4: limits.Quota, observed.IPv6: limits.Quota}}
	for i, p := range prefixes("0.0.0.0/0", "::/0") {
		acl.entries[observed.DefaultRule+i] = observed.Entry{Number: observed.DefaultRule + i, Prefix: p, Shape: shapeAll}
	}
	for range rapid.IntRange(0, 8).Draw(t, "entries") {
		h := rapid.SampledFrom(hosts).Draw(t, "whose")
		n := rapid.IntRange(h.limits.Window.First, h.limits.Window.Last).Draw(t, "number")
		acl.entries[n] = observed.Entry{Number: n, Prefix: rapid.SampledFrom(chosen).Draw(t, "prefix"), Shape: h.limits.Shape}
	}
	return setOf(bans...), acl
}

// Neighbours on one ACL that ban the same, whoever looks and acts when: what one
// of them blocks stays blocked, and they come to rest after few calls.
func TestPropertyNeighboursOnOneACLComeToRestWithoutAGap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		hosts := drawNeighbours(t)
		set, acl := drawShared(t, hosts)
		held := map[netip.Prefix]bool{}
		guard := func(c *Change) {
			w := world{limits: Limits{Shape: shapeSSH}}
			for _, b := range set.Bans {
				stopped := w.stops(acl, b.Prefix, shapeSSH)
				if held[b.Prefix] && !stopped {
					t.Fatalf("nobody blocks %s any more after: %s (%s)", b.Prefix, Describe(*c), c.Why)
				}
				held[b.Prefix] = stopped
			}
		}
		guard(nil)
		calls := 0
		act := func(h *neighbour) {
			c := h.pending[0]
			h.pending, calls = h.pending[1:], calls+1
			_ = acl.apply(c) // others may have been faster
			guard(&c)
		}
		for range rapid.IntRange(0, 60).Draw(t, "moments") {
			h := rapid.SampledFrom(hosts).Draw(t, "who")
			if len(h.pending) == 0 {
				h.look(set, acl)
			} else {
				act(h)
			}
		}
		for range 60 { // rounds in which all look before anybody acts
			for _, h := range hosts {
				for len(h.pending) > 0 {
					act(h)
				}
			}
			for _, h := range hosts {
				h.look(set, acl)
			}
		}
		for _, h := range hosts {
			if len(h.pending) > 0 {
				t.Fatalf("after 60 rounds %v still wants %v of %v", h.limits.Window, words(h.pending), acl.entries)
			}
		}
		if most := 4 * len(hosts) * (len(set.Bans) + 8); calls > most {
			t.Fatalf("%d hosts with %d bans made %d calls, more than %d", len(hosts), len(set.Bans), calls, most)
		}
	})
}

// Two daemons with windows of their own that ban one attacker at one moment: the
// entry with the lower number stays, and there is nothing left to do.
func TestOfTwoEqualDeniesExactlyOneGivesWay(t *testing.T) {
	set := setOf(ban("203.0.113.7/32", 0))
	first, second := standard(window(1, 45)), standard(window(46, 90))
	acl := aclOf(deny(1, "203.0.113.7/32"), deny(46, "203.0.113.7/32"))
	var calls []Change
	for _, l := range []Limits{first, second} {
		changes, _ := ForACL(Prepare(set, l), acl, nil, l, start)
		calls = append(calls, changes...)
	}
	wantWords(t, calls, "acl-1 delete rule 46 203.0.113.7/32: covered by the deny of 203.0.113.7/32 in rule 1")
	acl = ACLAfter(acl, calls)
	for _, l := range []Limits{first, second} {
		changes, _ := ForACL(Prepare(set, l), acl, nil, l, start)
		wantWords(t, slices.Clip(changes))
	}
}
