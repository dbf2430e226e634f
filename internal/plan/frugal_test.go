package plan

import (
	"pgregory.net/rapid"

	"reconciler/internal/desired"
	"reconciler/internal/observed"
)

// checkHolders: a ban that holds a slot as it should keeps it, untouched.
func checkHolders(t *rapid.T, before, after *world, p Plan) {
	touched := map[string]map[int]Change{}
	for _, a := range before.acls {
		touched[a.id] = map[int]Change{}
	}
	for _, c := range p.Changes {
		if c.Target != HostTarget {
			touched[c.Target][c.Rule] = c
		}
	}
	for _, a := range before.acls {
		for n, e := range a.entries {
			if before.limits.Retired[a.id] || !before.settled(a, e) || after.coveredElsewhere(after.acl(a.id), e) {
				continue
			}
			if c, ok := touched[a.id][n]; ok {
				t.Fatalf("%s held rule %d of %s as it should, and was disturbed: %s (%s)", e.Prefix, n, a.id, Describe(c), c.Why)
			}
		}
	}
}

// settled says that an entry of ours is wanted, works, is as a new one would
// be, and is the lowest of its prefix.
func (w *world) settled(a *fakeACL, e observed.Entry) bool {
	if _, wanted := w.wanted()[e.Prefix]; !wanted || !w.owns(a.id, e) || !w.current(e) || w.overruled(a, e.Number, e.Prefix, e.Shape) {
		return false
	}
	for n, o := range a.entries {
		if n < e.Number && o.Prefix == e.Prefix && w.owns(a.id, o) && w.current(o) && !w.overruled(a, n, o.Prefix, o.Shape) {
			return false
		}
	}
	return true
}

// coveredElsewhere says that another deny does the entry's work: a wider one, or
// one of somebody else for the same prefix with a lower number.
func (w *world) coveredElsewhere(a *fakeACL, e observed.Entry) bool {
	for n, o := range a.entries {
		if n != e.Number && !o.Default() && !o.Allow && observed.Contains(o.Prefix, e.Prefix) && (o.Prefix != e.Prefix || !w.owns(a.id, o) && n < e.Number) || n == e.Number && o.Prefix != e.Prefix && observed.Contains(o.Prefix, e.Prefix) {
			return true
		}
	}
	return false
}

// checkCalls: k differing slots cost k calls. In a family whose quota had no room
// a number costs two that had to be emptied before it could be filled, or that
// served a ban until there was room for the wider one that covers it.
func checkCalls(t *rapid.T, before, after *world, p Plan) {
	for _, a := range before.acls {
		calls, twice, families := 0, 0, false
		emptied, filled := map[int]observed.Family{}, map[int]bool{}
		for _, c := range p.Changes {
			if c.Target != a.id {
				continue
			}
			calls++
			if family, again := emptied[c.Rule]; again {
				twice++
				families = families || family != observed.FamilyOf(c.Prefix)
			}
			if c.Action == Delete {
				emptied[c.Rule] = observed.FamilyOf(c.Old)
				if filled[c.Rule] && c.Reason == desired.Covered && a.full(observed.FamilyOf(c.Old)) {
					twice++
				}
			}
			filled[c.Rule] = c.Action == Replace
		}
		if families {
			continue // until one family gave its numbers up, the other had to make do
		}
		if differ := differing(a, after.acl(a.id)); calls != differ+twice {
			t.Fatalf("%d slots of %s differ and %d calls were planned", differ, a.id, calls)
		}
	}
}

func differing(a, b *fakeACL) int {
	n := 0
	for number := range 64 { // no window of these worlds reaches further
		old, was := a.entries[number]
		now, is := b.entries[number]
		if was != is || old != now {
			n++
		}
	}
	return n
}

// checkOverQuota: an ACL that starts over its quota sheds what is lifted, down
// to the quota, before any slot goes to a ban that had none.
func checkOverQuota(t *rapid.T, w *world, p Plan) {
	for _, c := range p.Changes {
		if c.Action != Replace || observed.Contains(c.Prefix, c.Old) {
			continue
		}
		a, family := w.acl(c.Target), observed.FamilyOf(c.Prefix)
		if a.count(family) > w.limits.quota(a.id, family) && !w.keepsUnwanted(a) {
			t.Fatalf("%s reuses a slot, and leaves %s over its quota", Describe(c), a.id)
		}
	}
}

// keepsUnwanted says that an entry of ours waits for another to take over: it is
// not wanted, or an allow overrules it for a part of its prefix alone.
func (w *world) keepsUnwanted(a *fakeACL) bool {
	for n, e := range a.entries {
		_, wanted := w.wanted()[e.Prefix]
		if w.owns(a.id, e) && (!wanted || w.overruled(a, n, e.Prefix, e.Shape) && w.needed(a, n)) {
			return true
		}
	}
	return false
}

// checkSummary counts what was reached in the plainest way.
func checkSummary(t *rapid.T, w *world, got Summary) {
	wanted := w.wanted()
	if got.Active != len(wanted) {
		t.Fatalf("the summary says %d active bans; there are %d", got.Active, len(wanted))
	}
	hosted := 0
	if w.host != nil && !w.blind && len(w.host.Defects) == 0 && len(w.host.Overruled) == 0 {
		for ban := range wanted {
			for p, end := range w.host.ends {
				if observed.Contains(p, ban) && (end.IsZero() || w.now.Before(end)) {
					hosted++
					break
				}
			}
		}
	}
	if got.Host.Enforced != hosted {
		t.Fatalf("the summary says that the host enforces %d bans; it is %d", got.Host.Enforced, hosted)
	}
	for _, a := range w.acls {
		if w.unread[a.id] {
			continue
		}
		for _, f := range observed.Families {
			s := got.NACL[a.id][f]
			s.overruling = observed.Entry{}
			if want := w.count(a, f); s != want {
				t.Fatalf("the summary of %s %s says %+v; counting gives %+v", a.id, f, s, want)
			}
		}
	}
}

func (w *world) count(a *fakeACL, f observed.Family) ACLSummary {
	var s ACLSummary
	wanted := w.wanted()
	room, numbers := w.limits.quota(a.id, f), 0
	for _, e := range a.entries {
		_, ok := wanted[e.Prefix]
		switch family := observed.FamilyOf(e.Prefix); {
		case w.owns(a.id, e) && family == f:
			if w.overruled(a, e.Number, e.Prefix, e.Shape) {
				s.Shadowed++
			} else if ok && !w.redundant(a, e) && !w.limits.Retired[a.id] {
				s.Enforced++
			}
		case family == f && !e.Default() && w.unclaimed(a, e):
			s.Unclaimed++
			room--
		case family == f && !e.Default():
			s.Foreign++
			room--
		case family == f:
			room--
		}
	}
	for n := w.limits.Window.First; n <= w.limits.Window.Last; n++ {
		e, taken := a.entries[n]
		free := !taken || w.owns(a.id, e) && observed.FamilyOf(e.Prefix) == f
		if free && !w.overruledWhole(a, n, f) {
			numbers++
		}
	}
	s.Capacity = max(0, min(room, numbers))
	return s
}

// redundant says that the entry is only there until another has taken over.
func (w *world) redundant(a *fakeACL, e observed.Entry) bool {
	return w.coveredElsewhere(a, e) && (w.othersCover(a, e.Prefix, e.Number) || w.oursUntil(a, e.Prefix, w.wanted()[e.Prefix], e.Number))
}

func (w *world) unclaimed(a *fakeACL, e observed.Entry) bool {
	for _, u := range append([]observed.Usage{w.limits.Current()}, w.limits.Usages[a.id]...) {
		if !e.Allow && u.Window.Contains(e.Number) && e.Shape == u.Shape {
			return true
		}
	}
	return false
}

func (w *world) overruledWhole(a *fakeACL, n int, f observed.Family) bool {
	for _, e := range a.entries {
		if e.Allow && e.Number < n && e.Prefix.Bits() == 0 && observed.FamilyOf(e.Prefix) == f && e.Shape.Overlaps(w.limits.Shape) {
			return true
		}
	}
	return false
}

// checkWithheld: what was withheld is there still.
func checkWithheld(t *rapid.T, w *world, p Plan) {
	for _, c := range p.Withheld {
		if c.Target == HostTarget {
			if _, there := w.host.ends[c.Prefix]; !there {
				t.Fatalf("the removal of %s was withheld, and it is gone from the host", c.Prefix)
			}
		}
		if w.limits.Force {
			t.Fatalf("%s is withheld in spite of --force", Describe(c))
		}
	}
}
