package controller

import (
	"fmt"
	"time"

	"reconciler/internal/desired"
	"reconciler/internal/observed"
	"reconciler/internal/plan"
)

// learnedFor is how long a quota that the API made known counts without a new try.
const learnedFor = 15 * time.Minute

// quotas is what an actor has found out by running into a quota.
type quotas struct {
	full    map[observed.Family]bool            // the API said so, and it was not counted yet
	unsaved map[observed.Family]desired.Learned // counted, and not on record yet
	others  map[observed.Family]int             // entries not ours when the quota was learned
}

func newQuotas() quotas {
	return quotas{map[observed.Family]bool{}, map[observed.Family]desired.Learned{}, map[observed.Family]int{}}
}

// learn counts what is there, by a read that came after the API called the ACL
// full: that is the quota, which the API never reports itself.
func (a *aclActor) learn() {
	for f := range a.quotas.full {
		a.quotas.others[f] = a.othersOf(f)
		a.quotas.unsaved[f] = desired.Learned{Quota: a.picture.Count(f), At: a.now()}
	}
	clear(a.quotas.full)
}

// recordQuotas makes what was learned outlive the process. What cannot be put on
// record counts all the same, and is tried again in the next cycle.
func (a *aclActor) recordQuotas() error {
	for f, l := range a.quotas.unsaved {
		if err := a.memory.RecordLearned(a.id, f, &l); err != nil {
			return fmt.Errorf("recording that %s takes %d %s entries: %w", a.id, l.Quota, f, err)
		}
		delete(a.quotas.unsaved, f)
	}
	return nil
}

// learned gives the quota to plan with. It is void after a while, and when
// entries that are not ours have gone: then one create more than it allows may
// try, and if that succeeds the quota is forgotten.
func (a *aclActor) learned(f observed.Family, limits plan.Limits) (int, bool) {
	l, ok := a.quotas.unsaved[f]
	if !ok {
		l, ok = a.memory.Learned(a.id, f)
	}
	if !ok || l.Quota >= limits.Quota {
		return 0, false
	}
	if a.picture.Count(f) > l.Quota {
		// A create beyond it has succeeded. The record is worth no more; if it
		// cannot be removed now, it is void again at the next try.
		delete(a.quotas.unsaved, f)
		_ = a.memory.RecordLearned(a.id, f, nil)
		return 0, false
	}
	if before, known := a.quotas.others[f]; old(l, a.now()) || known && a.othersOf(f) < before {
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
