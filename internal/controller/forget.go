package controller

import (
	"maps"
	"net/netip"
	"slices"
	"time"

	"reconciler/internal/desired"
	"reconciler/internal/observed"
	"reconciler/internal/plan"
)

// unreadFor is how long a start waits for the first look at an ACL before what
// is on record of it counts. The record may be older than the ACL, in files that
// were put back.
const unreadFor = time.Minute

// forget drops the lifted prefixes that are in no target any more.
func (l *Loop) forget() {
	for _, acl := range l.unasked() {
		l.board.vouch(acl, l.notHeld(acl))
	}
	if lifted := l.board.forgettable(l.set.Lifted, l.targets()); len(lifted) > 0 {
		l.Store.Forget(lifted)
	}
}

// targets are all that must confirm a removal before it is forgotten: the
// host, each ACL kept now, and each that was ever written to.
func (l *Loop) targets() []string {
	var all []string
	if l.host != nil {
		all = append(all, plan.HostTarget)
	}
	all = append(all, l.limits.ACLs...)
	for id := range l.Store.Usages() {
		all = append(all, id)
	}
	return all
}

// unasked are the ACLs that nobody looks at or writes to: discovery fails, or
// they are to be cleaned later.
func (l *Loop) unasked() []string {
	if !l.hasty && l.Now().Sub(l.began) < unreadFor {
		return nil
	}
	return slices.DeleteFunc(slices.Collect(maps.Keys(l.Store.Usages())), func(id string) bool {
		return l.acls[id] != nil || l.board.reported(id)
	})
}

// notHeld gives the lifted prefixes that were never written to an ACL, or that
// a later look has shown gone.
func (l *Loop) notHeld(acl string) map[netip.Prefix]bool {
	held, known := l.Store.Held(acl)
	if !known {
		return nil
	}
	return gone(l.set.Lifted, in(held), widths(l.Store.Usages()[acl]))
}

// confirmed gives the lifted prefixes that this ACL holds no more, neither for
// sure nor perhaps. One that cannot be read holds what is on record: what was
// never written to it need not wait for it.
func (a *aclActor) confirmed(o order, err error) map[netip.Prefix]bool {
	held, known := a.memory.Held(a.id)
	switch {
	case err == nil && a.picture != nil:
		held = a.pictured()
	case !known, a.looked.IsZero() && !a.known.hasty && a.now().Sub(a.began) < unreadFor:
		return nil
	}
	return gone(o.want.Set().Lifted, in(held), widths(a.memory.Usages()[a.id]))
}

// pictured gives what is in the ACL by its picture, or perhaps.
func (a *aclActor) pictured() map[netip.Prefix]bool {
	held := map[netip.Prefix]bool{}
	for _, e := range a.picture.Entries {
		if !e.Allow && !e.Default() {
			held[e.Prefix] = true
		}
	}
	for _, d := range a.known.doubts {
		if d.Prefix.IsValid() {
			held[d.Prefix] = true
		}
	}
	return held
}

// recordLook keeps what a look has shown. What others have put there counts as
// well: a record may name it one day.
func (a *aclActor) recordLook() {
	if !a.looked.Equal(a.picture.ReadAt) {
		a.memory.RecordHeld(a.id, a.pictured())
		a.looked = a.picture.ReadAt
	}
}

// recordWrites keeps what is about to be in the ACL. Only the next look takes
// anything off the record.
func (a *aclActor) recordWrites(changes []plan.Change) {
	held, _ := a.memory.Held(a.id)
	held = maps.Clone(held)
	if held == nil {
		held = map[netip.Prefix]bool{}
	}
	for _, c := range changes {
		if c.Prefix.IsValid() {
			held[c.Prefix] = true
		}
	}
	a.memory.RecordHeld(a.id, held)
}

// vouch says for a target that nobody asks what is gone there.
func (b *board) vouch(target string, gone map[netip.Prefix]bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.confirmed[target] = gone
}

// reported says that the target has been through a cycle.
func (b *board) reported(target string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	_, ok := b.reports[target]
	return ok
}

// forgettable gives the lifted prefixes whose removal all targets confirm.
func (b *board) forgettable(lifted map[netip.Prefix]desired.Reason, targets []string) []netip.Prefix {
	b.mu.Lock()
	defer b.mu.Unlock()
	var out []netip.Prefix
	for p := range lifted {
		if !slices.ContainsFunc(targets, func(t string) bool { return !b.confirmed[t][p] }) {
			out = append(out, p)
		}
	}
	return out
}

// gone gives the lifted prefixes that a target does not hold, in whatever
// width it may have written them.
func gone(lifted map[netip.Prefix]desired.Reason, holds func(netip.Prefix) bool, widths []int) map[netip.Prefix]bool {
	out := make(map[netip.Prefix]bool, len(lifted))
	for p := range lifted {
		out[p] = !holds(p) && !slices.ContainsFunc(widths, func(w int) bool { return holds(observed.Widen(p, w)) })
	}
	return out
}

func in(set map[netip.Prefix]bool) func(netip.Prefix) bool {
	return func(p netip.Prefix) bool { return set[p] }
}

// widths gives the lengths that IPv6 bans were widened to.
func widths(usages []observed.Usage) (all []int) {
	for _, u := range usages {
		all = append(all, u.IPv6Prefix)
	}
	return all
}
