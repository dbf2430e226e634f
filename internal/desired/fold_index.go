package desired

import (
	"cmp"
	"iter"
	"maps"
	"net/netip"
	"strings"
	"time"

	"github.com/tidwall/btree"

	"reconciler/internal/observed"
)

// index finds what a record touches, so that a record costs that, and not what
// the fold holds.
type index struct {
	claims  *btree.BTreeG[*claim]        // by prefix, host and jail
	byHost  map[string]map[pairKey]*pair // the pairs of a host
	byJail  map[string]map[pairKey]*pair // the pairs of a jail, on all hosts
	waiting waiting                      // what waits for a deferred flush
	banned  waiting                      // the same, where a ban came since: only what is in time calls it off
	started waiting                      // what may have claims on trial, and runs
	stopped waiting                      // the same, and does not
	touched uint64                       // pairs and claims that records looked at, for the tests
	records uint64                       // how many were folded since the fold was made or restored
	holders holders
}

// holders counts what holds a claim or a tombstone; the rest may be dropped.
type holders struct{ pairs, patterns int }

// waiting is a set of pairs and patterns that have a deferred flush.
type waiting struct {
	set    map[*pair]struct{}
	latest time.Time // no deadline of them is later
}

func newIndex() index {
	return index{
		claims:  btree.NewBTreeGOptions(func(a, b *claim) bool { return compareClaims(a, b) < 0 }, btree.Options{NoLocks: true}),
		byHost:  make(map[string]map[pairKey]*pair),
		byJail:  make(map[string]map[pairKey]*pair),
		waiting: waiting{set: make(map[*pair]struct{})},
		banned:  waiting{set: make(map[*pair]struct{})},
		started: waiting{set: make(map[*pair]struct{})},
		stopped: waiting{set: make(map[*pair]struct{})},
	}
}

// enter makes a pair known.
func (f *Fold) enter(p *pair) {
	f.pairs[p.pairKey] = p
	p.server = f.server(p.host)
	p.server.pairs++
	enter(f.byHost, p.host, p)
	enter(f.byJail, p.jail, p)
}

func enter(by map[string]map[pairKey]*pair, name string, p *pair) {
	if by[name] == nil {
		by[name] = make(map[pairKey]*pair)
	}
	by[name][p.pairKey] = p
}

// drop forgets a pair or a pattern that holds nothing.
func (f *Fold) drop(p *pair) {
	f.await(p, pending{})
	if f.patterns[p.pairKey] == p {
		delete(f.patterns, p.pairKey)
		return
	}
	delete(f.pairs, p.pairKey)
	f.try(p, pending{})
	if p.server.pairs--; p.server.pairs == 0 {
		delete(f.servers, p.host)
	}
	leave(f.byHost, p.host, p)
	leave(f.byJail, p.jail, p)
}

func leave(by map[string]map[pairKey]*pair, name string, p *pair) {
	if delete(by[name], p.pairKey); len(by[name]) == 0 {
		delete(by, name)
	}
}

// matching gives the pairs that a record's host and jail name, where "" is any.
func (f *Fold) matching(host, jail string) iter.Seq[*pair] {
	switch {
	case host == "" && jail == "":
		return maps.Values(f.pairs)
	case jail == "":
		return maps.Values(f.byHost[host])
	case host == "":
		return maps.Values(f.byJail[jail])
	}
	return func(yield func(*pair) bool) {
		if p := f.pairs[pairKey{host, jail}]; p != nil {
			yield(p)
		}
	}
}

// insert takes a claim in that its pair does not have yet.
func (f *Fold) insert(c *claim) {
	c.pair.claims[c.prefix] = c
	c.pair.grew(1)
	f.claims.Set(c)
	f.stale = true
}

func (f *Fold) remove(c *claim) {
	delete(c.pair.claims, c.prefix)
	c.pair.grew(-1)
	f.claims.Delete(c)
	f.stale = true
}

// inside gives the claims on a prefix and on all inside it, by prefix.
func (f *Fold) inside(wide netip.Prefix) iter.Seq[*claim] {
	return func(yield func(*claim) bool) {
		f.claims.Ascend(&claim{prefix: wide, pair: &pair{}}, func(c *claim) bool {
			f.touched++
			return inside(c.prefix, wide) && yield(c)
		})
	}
}

func (p *pair) empty() bool { return len(p.claims) == 0 && len(p.tombs) == 0 }

// grew counts n more claims and tombstones of the pair; n is 1 or -1.
func (p *pair) grew(n int) {
	switch size := len(p.claims) + len(p.tombs); {
	case size-n == 0:
		*p.holding++
	case size == 0:
		*p.holding--
	}
}

// await sets the flush that a pair or a pattern waits for; the zero value is none.
func (f *Fold) await(p *pair, next pending) {
	p.pending = next
	f.waiting.put(p, !next.at.IsZero() && !next.banned)
	f.banned.put(p, next.banned)
}

func (w *waiting) put(p *pair, in bool) {
	if in {
		w.set[p] = struct{}{}
		w.latest = later(w.latest, p.pending.deadline)
		return
	}
	if delete(w.set, p); len(w.set) == 0 {
		w.latest = time.Time{}
	}
}

// among gives those of a set that a stop or start which leaves host or jail out
// names. It looks at the fewer: at all of the set, or at all of that name.
func (f *Fold) among(w waiting, host, jail string) iter.Seq[*pair] {
	named := f.byHost[host]
	if host == "" {
		named = f.byJail[jail]
	}
	if host == "" && jail == "" || len(w.set) <= len(named) {
		return func(yield func(*pair) bool) {
			for p := range w.set {
				f.touched++
				if p.matches(host, jail) && !yield(p) {
					return
				}
			}
		}
	}
	return func(yield func(*pair) bool) {
		if p := f.patterns[pairKey{host, jail}]; p != nil && !yield(p) {
			return
		}
		for _, p := range named {
			f.touched++
			if !yield(p) {
				return
			}
		}
	}
}

// sorted gives the claims by prefix, host and jail.
func (f *Fold) sorted() []*claim {
	if f.stale {
		clear(f.order)
		f.order = f.order[:0]
		f.claims.Scan(func(c *claim) bool {
			f.order = append(f.order, c)
			return true
		})
		f.stale = false
	}
	return f.order
}

func compareClaims(a, b *claim) int {
	return cmp.Or(observed.Compare(a.prefix, b.prefix), a.pair.compare(b.pair.pairKey))
}

func (k pairKey) compare(other pairKey) int {
	return cmp.Or(strings.Compare(k.host, other.host), strings.Compare(k.jail, other.jail))
}
