package controller

import (
	"maps"
	"net/netip"
	"slices"
	"sync"
	"time"

	"reconciler/internal/observed"
	"reconciler/internal/plan"
)

// order is what the loop asks of its actors: what is wanted, within which
// limits. The newest one counts; older ones are forgotten.
type order struct {
	number uint64
	want   *plan.Want
	limits plan.Limits
}

// report is what an actor tells after a cycle.
type report struct {
	target   string
	number   uint64 // of the order that was carried out
	results  []result
	withheld []plan.Change
	warnings []string
	err      error // the cycle failed as a whole or in part; it is tried again
	took     time.Duration
	read     bool          // the target itself was looked at, not a picture of it
	again    bool          // the look grew too old for what is left: the next cycle goes on at once
	rest     time.Duration // how long the target may be left alone; 0: its period
}

// result is one change that was tried.
type result struct {
	change plan.Change
	err    error
}

// board is where the loop and its actors see each other's latest state. Every
// value on it is replaced, never changed.
type board struct {
	mu        sync.Mutex
	order     order
	host      *observed.Host
	acls      map[string]observed.ACL
	confirmed map[string]map[netip.Prefix]bool // by target: lifted prefixes that are gone there
	reports   map[string]report                // the latest by target
}

func newBoard() *board {
	return &board{acls: map[string]observed.ACL{}, confirmed: map[string]map[netip.Prefix]bool{}, reports: map[string]report{}}
}

func (b *board) publish(want *plan.Want, limits plan.Limits) order {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.order = order{number: b.order.number + 1, want: want, limits: limits}
	for target, gone := range b.confirmed {
		b.confirmed[target] = b.stillLifted(gone)
	}
	return b.order
}

func (b *board) current() order {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.order
}

// state gives the latest pictures, the ACLs sorted by ID.
func (b *board) state() observed.State {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := observed.State{Host: b.host}
	for _, id := range slices.Sorted(maps.Keys(b.acls)) {
		s.ACLs = append(s.ACLs, b.acls[id])
	}
	return s
}

func (b *board) setHost(h *observed.Host) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.host = h
}

// setACL replaces the picture of an ACL; nil takes it away.
func (b *board) setACL(id string, acl *observed.ACL) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if acl == nil {
		delete(b.acls, id)
		delete(b.confirmed, id)
		delete(b.reports, id)
		return
	}
	b.acls[id] = *acl
}

// done files an actor's report with what it has confirmed as gone.
func (b *board) done(r report, gone map[netip.Prefix]bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.reports[r.target] = r
	if gone != nil {
		b.confirmed[r.target] = b.stillLifted(gone)
	}
}

// stillLifted leaves out what has been wanted again since: its removal will
// have to be confirmed anew. b.mu is held.
func (b *board) stillLifted(gone map[netip.Prefix]bool) map[netip.Prefix]bool {
	out := make(map[netip.Prefix]bool, len(gone))
	for p, yes := range gone {
		if _, lifted := b.order.want.Set().Lifted[p]; lifted {
			out[p] = yes
		}
	}
	return out
}

// latest gives the newest report of every target, sorted by target.
func (b *board) latest() []report {
	b.mu.Lock()
	defer b.mu.Unlock()
	out := make([]report, 0, len(b.reports))
	for _, target := range slices.Sorted(maps.Keys(b.reports)) {
		out = append(out, b.reports[target])
	}
	return out
}

// caughtUp says that the target has carried out the order or a newer one.
func (b *board) caughtUp(target string, number uint64) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.reports[target].number >= number
}
