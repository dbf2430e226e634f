package controller

import (
	"context"
	"errors"
	"maps"
	"math/rand/v2"
	"slices"
	"time"

	"reconciler/internal/apply"
	"reconciler/internal/observed"
	"reconciler/internal/plan"
)

func (l *Loop) hostActor() *hostActor {
	return &hostActor{read: l.Host, backend: l.Backend, board: l.board, now: l.Now}
}

func (l *Loop) aclActor(id string) *aclActor {
	a := &aclActor{
		id: id, read: l.found.reader(), backend: apply.NACL{API: l.found.EC2, ID: id, Now: l.Now},
		board: l.board, memory: l.Store, now: l.Now, resync: l.Config.Resync,
		known: newACLMemory(), quotas: newQuotas(), random: l.random(), began: l.began,
	}
	a.known.hasty = l.hasty
	for _, picture := range l.found.Pictures {
		if picture.ID == id {
			a.adoptPicture(picture, l.Now())
		}
	}
	return a
}

// random gives what resyncs are spread by.
func (l *Loop) random() func() float64 {
	if l.Random == nil {
		return rand.Float64
	}
	return l.Random
}

// astray says that the ACLs kept are not those of this host's subnets any more:
// somebody has associated a subnet with another one.
func (l *Loop) astray() bool {
	var covered []string
	kept := 0
	for _, acl := range l.board.state().ACLs {
		if !slices.Contains(l.limits.ACLs, acl.ID) {
			continue
		}
		kept++
		if !slices.ContainsFunc(l.metadata.Subnets, func(s string) bool { return slices.Contains(acl.Subnets, s) }) {
			return true
		}
		covered = append(covered, acl.Subnets...)
	}
	return kept == len(l.limits.ACLs) && // all have been read
		slices.ContainsFunc(l.metadata.Subnets, func(s string) bool { return !slices.Contains(covered, s) })
}

// take takes what discovery has found: which ACLs are kept, and which of those
// written to before are to be left clean once the kept ones are in order.
func (l *Loop) take(f Found) {
	l.found = f
	l.learn(f.Metadata)
	l.limits.ACLs = f.IDs
	l.limits.Retired, l.retiring = nil, nil
	if f.EC2 == nil {
		return
	}
	for _, id := range slices.Sorted(maps.Keys(l.Store.Usages())) {
		if !slices.Contains(f.IDs, id) {
			l.retiring = append(l.retiring, id)
		}
	}
}

// retireOld lets the plan clean the ACLs that are configured no longer. It is
// called when every configured one has been read and is in order: a mistyped
// --nacl must not lift a ban.
func (l *Loop) retireOld() (ids []string) {
	ids, l.retiring = l.retiring, nil
	l.limits.Retired = map[string]bool{}
	for _, id := range ids {
		l.limits.Retired[id] = true
	}
	return ids
}

// inOrder says that every configured ACL has been through a cycle without
// failure.
func (l *Loop) inOrder() bool {
	done := map[string]bool{}
	for _, r := range l.board.latest() {
		done[r.target] = r.err == nil && !r.again && r.number > 0
	}
	return !slices.ContainsFunc(l.limits.ACLs, func(id string) bool { return !done[id] })
}

// learn takes what the metadata says about what must not be banned.
func (l *Loop) learn(m observed.Metadata) {
	if m.IsZero() {
		return
	}
	l.metadata, l.limits.Subnets = m, m.Subnets
	l.tell.trouble(saving, l.Store.RecordMetadata(m))
}

// firstLook asks the metadata for the ranges that it protects when nothing is
// known of them yet. The service is on the host's own link, and the wait is
// short and once in the life of a state.
func (l *Loop) firstLook(ctx context.Context) {
	if !l.metadata.IsZero() || !l.Cloud.OnEC2 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	if m, err := observed.ReadMetadata(ctx, l.Cloud.Metadata); err == nil {
		l.learn(m) // a failure is told by the discovery that follows
	}
}

// adopt keeps the ACLs that discovery has found, and no others.
func (l *Loop) adopt(ctx context.Context, f Found) {
	l.tell.trouble(finding, f.Lacking)
	l.tell.once("metadata", f.Warning)
	l.take(f)
	for id := range l.acls {
		if !slices.Contains(slices.Concat(f.IDs, l.retiring), id) {
			l.dismiss(id)
		}
	}
	l.keep(ctx, f.IDs)
}

// keep starts an actor for each ACL that has none.
func (l *Loop) keep(ctx context.Context, ids []string) {
	for _, id := range ids {
		if l.acls[id] != nil {
			continue
		}
		actor := l.aclActor(id)
		ctx, stop := context.WithCancel(ctx)
		k := &keeper{stop: stop}
		k.driver = newDriver(l.Config.Resync, true, func(ctx context.Context) report { return actor.cycle(ctx, l.board.current()) })
		l.acls[id] = k
		l.start(ctx, k.driver)
	}
}

// clean gives the ACLs that are configured no longer and in which nothing of
// ours is left.
func (l *Loop) clean() (ids []string) {
	for _, r := range l.board.latest() {
		if l.limits.Retired[r.target] && (l.deleted(r) || r.err == nil && !l.holdsOurs(r.target)) {
			ids = append(ids, r.target)
		}
	}
	return ids
}

// deleted says that an ACL which was to be left clean does not exist any more,
// which is as good.
func (l *Loop) deleted(r report) bool {
	return l.limits.Retired[r.target] && errors.Is(r.err, observed.ErrACLNotFound)
}

// retire stops the actors of ACLs that are clean, and forgets them.
func (l *Loop) retire() {
	for _, id := range l.clean() {
		if l.acls[id] == nil {
			continue
		}
		if err := l.Store.ForgetUsage(id); err != nil {
			l.tell.trouble(saving, err)
			continue
		}
		l.dismiss(id)
	}
}

// dismiss stops an ACL's actor.
func (l *Loop) dismiss(id string) {
	l.acls[id].stop()
	delete(l.acls, id)
	l.board.setACL(id, nil)
}

// holdsOurs says that an entry of ours is still in the ACL's picture.
func (l *Loop) holdsOurs(id string) bool {
	order := l.board.current()
	for _, acl := range l.board.state().ACLs {
		if acl.ID == id {
			return plan.HoldsOurs(order.want, acl, l.summaryLimits(order.limits))
		}
	}
	return true // not known
}

func (l *Loop) keepers() []*keeper { return slices.Collect(maps.Values(l.acls)) }
