package plan

import (
	"maps"
	"net/netip"
	"slices"
	"time"

	"pgregory.net/rapid"

	"reconciler/internal/desired"
	"reconciler/internal/observed"
)

// wanted gives the prefixes that entries are made for, with the latest end of
// the bans that each stands for.
func (w *world) wanted() map[netip.Prefix]time.Time {
	out := map[netip.Prefix]time.Time{}
	for _, b := range w.active() {
		p := observed.Widen(b.Prefix, w.limits.IPv6Prefix)
		if end, ok := out[p]; !ok || desired.EndsBefore(end, b.Until) {
			out[p] = b.Until
		}
	}
	return out
}

// checkGoal: with nothing left to do, every target is as the state asks.
func checkGoal(t *rapid.T, w *world) {
	if w.host != nil && !w.blind {
		checkHostGoal(t, w)
	}
	for _, a := range w.acls {
		if !w.unread[a.id] {
			checkOwnEntries(t, w, a)
			checkPlaced(t, w, a)
		}
	}
}

func checkHostGoal(t *rapid.T, w *world) {
	wanted := w.wanted()
	withheld := map[netip.Prefix]bool{}
	for _, c := range Compute(w.set, w.observe(), w.limits, w.now).Withheld {
		withheld[c.Prefix] = true
	}
	held := 0
	for p, end := range w.host.ends {
		until, ok := wanted[p]
		switch {
		case ok && !rightEnd(end, until, w.now):
			t.Fatalf("the host's entry of %s ends at %s, its ban at %s", p, end, until)
		case ok && w.limits.HostMode == HostOverflow && w.edgeHas(p, until):
			t.Fatalf("the host holds %s, which every ACL enforces until its end", p)
		case !ok && !withheld[p]:
			t.Fatalf("the host holds %s, which nobody wants", p)
		case ok:
			held++
		}
	}
	if w.limits.HostCap > 0 {
		if held > w.limits.HostCap {
			t.Fatalf("the host holds %d bans and may hold %d", held, w.limits.HostCap)
		}
		return
	}
	for p, until := range wanted {
		if w.hostHolds(p, until) || w.limits.HostMode == HostOverflow && w.edgeHas(p, until) || w.host.NoIPv6 && !p.Addr().Is4() {
			continue
		}
		t.Fatalf("the host does not hold %s", p)
	}
}

// rightEnd says that an entry's end is right, to the second or two that the
// kernel loses, and to a day for an end beyond the longest timeout.
func rightEnd(end, until, now time.Time) bool {
	switch {
	case end.IsZero() || until.IsZero():
		return end.IsZero() && until.IsZero()
	case end.Sub(until).Abs() <= endTolerance:
		return true
	}
	left := end.Sub(now)
	return until.Sub(now) > MaxTimeout && left >= MaxTimeout-24*time.Hour && left <= MaxTimeout+endTolerance
}

// hostHolds says that the host has an entry for the prefix, or a wider one for
// a ban that ends no earlier.
func (w *world) hostHolds(p netip.Prefix, until time.Time) bool {
	for q, end := range w.wanted() {
		if _, there := w.host.ends[q]; there && observed.Contains(q, p) && !desired.EndsBefore(end, until) {
			return true
		}
	}
	return false
}

// edgeHas says that entries of ours in every ACL enforce the prefix and will until
// the end, and that nobody else writes where they are.
func (w *world) edgeHas(p netip.Prefix, until time.Time) bool {
	for _, a := range w.acls {
		if !w.limits.Retired[a.id] && (w.unread[a.id] || w.contested(a) || !w.oursUntil(a, p, until)) {
			return false
		}
	}
	return len(w.limits.ACLs) > 0
}

// contested says that an entry in the window looks like ours, and no record
// names it.
func (w *world) contested(a *fakeACL) bool {
	for _, e := range a.entries {
		if !e.Allow && w.current(e) && !w.namesPrefix(e.Prefix, w.limits.IPv6Prefix) {
			return true
		}
	}
	return false
}

// othersCover says that somebody else's effective deny makes an entry of ours for
// the prefix at number n needless: a wider one, or the same with a lower number.
func (w *world) othersCover(a *fakeACL, p netip.Prefix, n int) bool {
	for _, e := range a.entries {
		if !e.Default() && !e.Allow && !w.owns(a.id, e) && observed.Contains(e.Prefix, p) && e.Shape.Contains(w.limits.Shape) &&
			(e.Prefix != p || e.Number < n) && !w.overruled(a, e.Number, p, w.limits.Shape) {
			return true
		}
	}
	return false
}

// oursUntil says that an ACL has an effective entry of ours for the prefix that
// stays until the end: one of a ban that ends no earlier.
func (w *world) oursUntil(a *fakeACL, p netip.Prefix, until time.Time, without ...int) bool {
	wanted := w.wanted()
	for _, e := range a.entries {
		if slices.Contains(without, e.Number) || e.Default() || e.Allow || !w.owns(a.id, e) || !observed.Contains(e.Prefix, p) || !e.Shape.Contains(w.limits.Shape) {
			continue
		}
		end, ok := wanted[e.Prefix]
		if ok && w.limits.Window.Contains(e.Number) && !desired.EndsBefore(end, until) && !w.overruled(a, e.Number, e.Prefix, e.Shape) {
			return true
		}
	}
	return false
}

// checkOwnEntries: whatever of ours is in the ACL is wanted there, works, and
// is there once. What is not wanted may stay while a ban inside has no other
// place at all.
func checkOwnEntries(t *rapid.T, w *world, a *fakeACL) {
	wanted := w.wanted()
	first := map[netip.Prefix]int{}
	for _, e := range a.observe().Entries {
		if !w.owns(a.id, e) || w.needed(a, e.Number) {
			continue
		}
		if _, ok := wanted[e.Prefix]; !ok || w.limits.Retired[a.id] {
			t.Fatalf("rule %d of %s holds %s, which nobody wants", e.Number, a.id, e.Prefix)
		}
		if w.overruled(a, e.Number, e.Prefix, e.Shape) {
			t.Fatalf("rule %d of %s holds %s, and a lower allow overrules it", e.Number, a.id, e.Prefix)
		}
		if w.current(e) {
			if n := first[e.Prefix]; n != 0 {
				t.Fatalf("rules %d and %d of %s both hold %s", n, e.Number, a.id, e.Prefix)
			}
			first[e.Prefix] = e.Number
		}
	}
}

// current says that the entry is as a new one would be.
func (w *world) current(e observed.Entry) bool {
	return w.limits.Window.Contains(e.Number) && e.Shape == w.limits.Shape
}

// needed says that without the entry some ban would be enforced less.
func (w *world) needed(a *fakeACL, n int) bool {
	if w.limits.NoHost {
		return false
	}
	with := w.clone()
	switch {
	case w.blind:
		with.host = nil // nobody knows what it enforces
	case with.host != nil: // what it holds for no ban may go at any moment
		maps.DeleteFunc(with.host.ends, func(p netip.Prefix, _ time.Time) bool { _, ok := w.wanted()[p]; return !ok })
	}
	without := with.clone()
	delete(without.acl(a.id).entries, n)
	for at, was := range with.enforced() {
		if at.acl == a.id && !without.stands(at, was) {
			return true
		}
	}
	return false
}

// checkPlaced: no ban waits while the ACL has a place at which it would work.
func checkPlaced(t *rapid.T, w *world, a *fakeACL) {
	for p, until := range w.wanted() {
		_, refused := w.refused[a.id][p]
		if refused || w.limits.Retired[a.id] || w.holds(a, p) || w.oursUntil(a, p, until) {
			continue
		}
		family := observed.FamilyOf(p)
		for n := w.limits.Window.First; n <= w.limits.Window.Last; n++ {
			if w.overruled(a, n, p, w.limits.Shape) || w.othersCover(a, p, n) {
				break
			}
			e, taken := a.entries[n]
			if !taken && a.count(family) < w.limits.quota(a.id, family) {
				t.Fatalf("%s waits, though rule %d of %s is free and the quota has room", p, n, a.id)
			}
			if end, ok := w.wanted()[e.Prefix]; taken && ok && w.owns(a.id, e) && e.Prefix != p && observed.Contains(p, e.Prefix) && !desired.EndsBefore(until, end) && !w.overruled(a, n, e.Prefix, e.Shape) {
				t.Fatalf("%s waits, though it covers %s in rule %d of %s and ends no earlier", p, e.Prefix, n, a.id)
			}
		}
	}
}

// holds says that an effective entry of ours is made for exactly this prefix.
func (w *world) holds(a *fakeACL, p netip.Prefix) bool {
	for _, e := range a.entries {
		if w.owns(a.id, e) && e.Prefix == p && !w.overruled(a, e.Number, p, e.Shape) {
			return true
		}
	}
	return false
}
