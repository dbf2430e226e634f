package controller

import (
	"context"
	"fmt"
	"time"

	"reconciler/internal/desired"
	"reconciler/internal/observed"
	"reconciler/internal/plan"
)

// learnedFor is how long a quota that the API made known counts without a new try.
const learnedFor = 15 * time.Minute

// learn reads the ACL after the API called it full: the fresh count is the
// quota. The API never reports the quota itself.
func (a *aclActor) learn(ctx context.Context, f observed.Family) error {
	if err := a.look(ctx); err != nil {
		a.stale = true
		return err
	}
	if a.settled == nil {
		a.settled = map[observed.Family]int{}
	}
	a.settled[f] = a.othersOf(f)
	l := desired.Learned{Quota: a.picture.Count(f), At: a.now()}
	if err := a.memory.RecordLearned(a.id, f, &l); err != nil {
		return fmt.Errorf("recording that %s takes %d %s entries: %w", a.id, l.Quota, f, err)
	}
	return nil
}

// learned gives the quota to plan with. It is void after a while, and when
// entries that are not ours have gone: then one create more than it allows may
// try, and if that succeeds the quota is forgotten.
func (a *aclActor) learned(f observed.Family, limits plan.Limits) (int, bool) {
	l, ok := a.memory.Learned(a.id, f)
	if !ok || l.Quota >= limits.Quota {
		return 0, false
	}
	if a.picture.Count(f) > l.Quota {
		// A create beyond it has succeeded. The record is worth no more; if it
		// cannot be removed now, it is void again at the next try.
		_ = a.memory.RecordLearned(a.id, f, nil)
		return 0, false
	}
	if before, known := a.settled[f]; old(l, a.now()) || known && a.othersOf(f) < before {
		return l.Quota + 1, true
	}
	return l.Quota, true
}

// old says that a learned quota is due for a new try. One of the future was
// learned by another clock.
func old(l desired.Learned, now time.Time) bool {
	age := now.Sub(l.At)
	return age < 0 || age >= learnedFor
}

// othersOf counts the entries of a family outside every window of ours: those
// that come and go by somebody else's hand.
func (a *aclActor) othersOf(f observed.Family) int {
	n := 0
	for _, e := range a.picture.Entries {
		if observed.FamilyOf(e.Prefix) == f && (e.Allow || e.Default()) {
			n++
		}
	}
	return n
}
