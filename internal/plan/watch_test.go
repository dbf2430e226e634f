package plan

import (
	"net/netip"
	"reflect"

	"pgregory.net/rapid"

	"reconciler/internal/desired"
	"reconciler/internal/observed"
)

// watcher carries changes out on a world, one call at a time, and checks after
// each of them that no promise was broken. It judges with rules of its own.
type watcher struct {
	t      *rapid.T
	w      *world
	others map[string]map[int]observed.Entry // what is not ours, by ACL and number
	lost   []loss                            // enforcement that went and may not come back
}

// loss is a ban that an ACL enforced before a call and nothing enforced after it.
type loss struct {
	ban    netip.Prefix
	acl    string
	change Change
	full   bool // the quota had no room for a second entry
}

func watch(t *rapid.T, w *world) *watcher {
	v := &watcher{t: t, w: w, others: map[string]map[int]observed.Entry{}}
	for _, a := range w.acls {
		v.others[a.id] = map[int]observed.Entry{}
		for n, e := range a.entries {
			if !w.owns(a.id, e) {
				v.others[a.id][n] = e
			}
		}
	}
	return v
}

// owns is section 4 of the design in the plainest words: number, shape and name.
func (w *world) owns(acl string, e observed.Entry) bool {
	if e.Default() || e.Allow {
		return false
	}
	for _, u := range append([]observed.Usage{w.limits.Current()}, w.limits.Usages[acl]...) {
		if e.Number >= u.Window.First && e.Number <= u.Window.Last && e.Shape == u.Shape && (w.limits.Dedicated || w.namesPrefix(e.Prefix, u.IPv6Prefix)) {
			return true
		}
	}
	return false
}

func (w *world) namesPrefix(p netip.Prefix, width int) bool {
	for _, b := range w.set.Bans {
		if b.Prefix == p || observed.Widen(b.Prefix, width) == p && p.Bits() == width {
			return true
		}
	}
	for q := range w.set.Lifted {
		if q == p || observed.Widen(q, width) == p && p.Bits() == width {
			return true
		}
	}
	return false
}

// protected says that the guard's rules forbid a ban of the prefix.
func (w *world) protected(p netip.Prefix) bool {
	least := w.limits.Guard.MinIPv6
	if p.Addr().Is4() {
		least = w.limits.Guard.MinIPv4
	}
	for _, r := range w.limits.Guard.Protected {
		if r.Prefix.Overlaps(p) {
			return true
		}
	}
	return p.Bits() < least
}

// active gives the bans as they were asked for that must be in force.
func (w *world) active() []desired.Ban {
	var out []desired.Ban
	for _, b := range w.set.Bans {
		if !w.set.Paused && (b.Until.IsZero() || w.now.Before(b.Until)) && !w.protected(observed.Widen(b.Prefix, w.limits.IPv6Prefix)) {
			out = append(out, b)
		}
	}
	return out
}

// shields gives the traffic from the prefix that the entries of an ACL stop, of
// that which a ban is to stop. An entry that a lower allow overrules stops none.
func (w *world) shields(a *fakeACL, p netip.Prefix) []observed.Shape {
	var out []observed.Shape
	for _, e := range a.entries {
		traffic, common := intersect(e.Shape, w.limits.Shape)
		if e.Default() || e.Allow || !observed.Contains(e.Prefix, p) || !common || w.overruled(a, e.Number, p, traffic) {
			continue
		}
		out = append(out, traffic)
	}
	return out
}

func (w *world) overruled(a *fakeACL, n int, p netip.Prefix, s observed.Shape) bool {
	for _, e := range a.entries {
		if e.Allow && e.Number < n && e.Prefix.Overlaps(p) && e.Shape.Overlaps(s) {
			return true
		}
	}
	return false
}

// enforcement is what stops one ban, at one ACL or at the host behind it.
type enforcement struct {
	host    bool
	traffic []observed.Shape
}

// stands says that everything that was stopped at a place is stopped still.
func (w *world) stands(at place, was enforcement) bool {
	if w.host.blocks(at.ban, w.now) || !was.host && len(was.traffic) == 0 {
		return true
	}
	if was.host {
		was.traffic = append(was.traffic, w.limits.Shape)
	}
	for _, s := range was.traffic {
		if at.acl == "" || !w.stops(w.acl(at.acl), at.ban, s) {
			return false
		}
	}
	return true
}

// stops says that an ACL stops the traffic from the whole prefix.
func (w *world) stops(a *fakeACL, p netip.Prefix, traffic observed.Shape) bool {
	for _, e := range a.entries {
		if !e.Default() && !e.Allow && observed.Contains(e.Prefix, p) && e.Shape.Contains(traffic) && !w.overruled(a, e.Number, p, traffic) {
			return true
		}
	}
	return false
}

type place struct {
	ban netip.Prefix
	acl string // "": a host without an ACL
}

func (w *world) enforced() map[place]enforcement {
	out := map[place]enforcement{}
	for _, b := range w.active() {
		host := w.host.blocks(b.Prefix, w.now)
		out[place{b.Prefix, ""}] = enforcement{host: host}
		if len(w.acls) > 0 {
			delete(out, place{b.Prefix, ""})
		}
		for _, a := range w.acls {
			if !w.limits.Retired[a.id] {
				out[place{b.Prefix, a.id}] = enforcement{host: host, traffic: w.shields(a, b.Prefix)}
			}
		}
	}
	return out
}

// call makes one change, or has it fail, and checks every promise that a single
// call could break. It returns the error of the target.
func (v *watcher) call(c Change, fails bool) error {
	v.checkWords(c)
	before := v.w.enforced()
	full := c.Target != HostTarget && c.Old.IsValid() && v.w.acl(c.Target).full(observed.FamilyOf(c.Old))
	var err error
	if fails {
		if flip(v.t, 2, "takes effect all the same") {
			_ = v.w.apply(c) // its answer is lost
		}
		err = errInvalid
	} else {
		err = v.w.apply(c)
	}
	if c.Target != HostTarget && err == nil {
		v.checkEntry(c)
	}
	v.checkOthers(c)
	for at, was := range before {
		if v.w.stands(at, was) {
			continue
		}
		if v.excused(c) {
			v.lost = append(v.lost, loss{ban: at.ban, acl: at.acl, change: c, full: full})
			continue
		}
		v.t.Fatalf("the ban of %s was enforced at %q and is wanted, and nothing enforces it after: %s (%s)", at.ban, at.acl, Describe(c), c.Why)
	}
	return err
}

// excused says that a change may take enforcement away when there is no other
// place for it: without a host, or with a host that is full. Whether there was
// one is judged at the end. A protected address goes free at once.
func (v *watcher) excused(c Change) bool {
	return c.Reason == desired.Protected || v.w.limits.NoHost || v.w.limits.HostCap > 0
}

// checkWords holds for each change by itself.
func (v *watcher) checkWords(c Change) {
	removes := c.Old.IsValid() || c.Action == Remove || c.Action == Delete
	switch {
	case c.Why == "":
		v.t.Fatalf("%s does not say why", Describe(c))
	case removes && c.Reason == "":
		v.t.Fatalf("%s removes something and has no reason", Describe(c))
	case c.Reason == desired.Forced && !v.w.limits.Force:
		v.t.Fatalf("%s is forced, and nobody asked for that", Describe(c))
	case c.Action == Replace && observed.FamilyOf(c.Old) != observed.FamilyOf(c.Prefix):
		v.t.Fatalf("%s replaces an entry of one family by one of the other", Describe(c))
	case !removes && c.Prefix.IsValid() && v.w.protected(c.Prefix) || c.Action == Replace && v.w.protected(c.Prefix):
		v.t.Fatalf("%s bans a protected address", Describe(c))
	}
}

// checkEntry holds for a write that succeeded.
func (v *watcher) checkEntry(c Change) {
	a := v.w.acl(c.Target)
	if c.Action == Delete {
		return
	}
	if _, refused := v.w.refused[a.id][c.Prefix]; refused || v.w.limits.Retired[a.id] {
		v.t.Fatalf("%s writes what the API refuses, or to an ACL that is configured no longer", Describe(c))
	}
	if !v.w.limits.Window.Contains(c.Rule) {
		v.t.Fatalf("%s writes outside of the window %v", Describe(c), v.w.limits.Window)
	}
	if v.w.overruled(a, c.Rule, c.Prefix, v.w.limits.Shape) {
		v.t.Fatalf("%s writes an entry that a lower allow overrules", Describe(c))
	}
	if e := a.entries[c.Rule]; e.Shape != v.w.limits.Shape || e.Prefix != c.Prefix || e.Allow {
		v.t.Fatalf("%s left %v behind", Describe(c), e)
	}
}

// checkOthers holds for everything that is not ours.
func (v *watcher) checkOthers(c Change) {
	for id, entries := range v.others {
		for n, e := range entries {
			if now := v.w.acl(id).entries[n]; !reflect.DeepEqual(now, e) {
				v.t.Fatalf("%s changed rule %d of %s, which is not ours: it was %v and is %v", Describe(c), n, id, e, now)
			}
		}
	}
}
