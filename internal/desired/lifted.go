package desired

import (
	"maps"
	"net/netip"
	"slices"
	"time"
)

// LastLift gives when a record last lifted what one jail on one host wants for
// a prefix: a restored ban of that time or before has no effect. It is zero
// when none is remembered. It changes nothing.
func (f *Fold) LastLift(host, jail string, prefix netip.Prefix) time.Time {
	key := f.keyOf(host, jail)
	p := f.pairs[key]
	if p == nil { // what Fold.pair would begin with
		p = newPair(key, new(int))
		for _, pattern := range f.patternsOf(key) {
			p.flushed = later(p.flushed, later(pattern.flushed, pattern.pending.at))
		}
	}
	return later(f.lastLift(p, prefix), p.pending.at)
}

// End gives when the ban ends that one jail on one host wants for a prefix, and
// whether it is in force at now. Zero is never.
func (f *Fold) End(host, jail string, prefix netip.Prefix, now time.Time) (until time.Time, banned bool) {
	p := f.pairs[f.keyOf(host, jail)]
	if p == nil {
		return time.Time{}, false
	}
	c := p.claims[prefix]
	if c == nil || c.overAt(now) {
		return time.Time{}, false
	}
	return c.until, true
}

// Lifts returns the bans in force at now that the record, an unban or a flush,
// would lift.
func (f *Fold) Lifts(rec Record, now time.Time) (bans []Claim) {
	rec.Host = f.hostOf(rec)
	claims := f.named
	if rec.Op == OpFlush {
		claims = f.flushable
	}
	for _, c := range claims(rec) {
		if !c.overAt(now) {
			bans = append(bans, f.show(c))
		}
	}
	return bans
}

// flushable gives the claims that a flush means.
func (f *Fold) flushable(rec Record) (found []*claim) {
	for p := range f.matching(rec.Host, rec.Jail) {
		found = slices.AppendSeq(found, maps.Values(p.claims))
	}
	return found
}

func (f *Fold) keyOf(host, jail string) pairKey {
	if f.local {
		host = thisHost
	}
	return pairKey{host, jail}
}
