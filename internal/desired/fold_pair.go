package desired

import (
	"net/netip"
	"slices"
	"time"
)

// pair gives the state of one jail on one host. A new one takes over what the
// records that left host or jail out have done to it.
func (f *Fold) pair(host, jail string, t time.Time) *pair {
	key := pairKey{host, jail}
	if p := f.pairs[key]; p != nil {
		return p
	}
	p := newPair(key, &f.holders.pairs)
	p.made = later(f.newest, t)
	patterns := f.patternsOf(key)
	slices.SortFunc(patterns, func(a, b *pair) int { return a.pending.at.Compare(b.pending.at) })
	next := pending{}
	for _, pattern := range patterns {
		p.flushed = later(p.flushed, pattern.flushed)
		p.last = later(p.last, pattern.last)
		if next.effective(pattern.pending.at) {
			p.flushed = later(p.flushed, next.at)
		}
		next = pattern.pending
	}
	f.enter(p)
	f.await(p, next)
	f.grown = true
	return p
}

func newPair(key pairKey, holding *int) *pair {
	return &pair{
		pairKey: key,
		holding: holding,
		jails:   []string{key.jail},
		claims:  make(map[netip.Prefix]*claim),
		tombs:   make(map[netip.Prefix]tomb),
	}
}

// patternsOf gives the traces of records that named this pair by leaving its
// host, its jail or both out.
func (f *Fold) patternsOf(key pairKey) []*pair {
	if len(f.patterns) == 0 {
		return nil
	}
	var found []*pair
	for _, k := range key.wider() {
		if p := f.patterns[k]; p != nil && (k.host != "" || k.jail != "" || len(found) == 0) {
			found = append(found, p)
		}
	}
	return found
}

// wider gives the names by which a record that leaves out host, jail or both means
// the pair.
func (k pairKey) wider() [3]pairKey { return [3]pairKey{{"", ""}, {"", k.jail}, {k.host, ""}} }

// matches says that a record's host and jail, where "" is any, name the pair.
func (k pairKey) matches(host, jail string) bool {
	return (host == "" || host == k.host) && (jail == "" || jail == k.jail)
}
