package desired

import (
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"reconciler/internal/observed"
)

// export gives the state of the fold piece by piece, always in the same order.
func (f *Fold) export(put func(*entry)) {
	exportPairs(kindPair, f.pairs, put)
	exportPairs(kindPattern, f.patterns, put)
	var e entry
	for _, c := range f.sorted() {
		e = entry{
			kind: kindClaim, prefix: c.prefix, host: c.pair.host, jail: c.pair.jail, text: c.reason,
			count: int64(c.banCount), at: c.from, until: c.until, flush: c.flushAt(), marked: c.isNoted(),
		}
		if !c.known.Equal(c.from) {
			e.last = c.known
		}
		if !c.keep.Equal(c.until) {
			e.deadline = c.keep
		}
		put(&e)
	}
	for _, prefix := range slices.SortedFunc(maps.Keys(f.lifted), observed.Compare) {
		l := f.lifted[prefix]
		put(&entry{kind: kindLifted, prefix: prefix, text: string(l.reason), at: l.at})
	}
	for _, n := range f.notes {
		put(&entry{kind: kindNote, prefix: n.prefix, at: n.at})
	}
	f.exportKnown(put)
}

func exportPairs(kind string, pairs map[pairKey]*pair, put func(*entry)) {
	for _, key := range slices.SortedFunc(maps.Keys(pairs), pairKey.compare) {
		p := pairs[key]
		put(&entry{
			kind: kind, host: p.host, jail: p.jail, at: p.flushed, last: p.last, until: p.made,
			flush: p.pending.at, deadline: p.pending.deadline, marked: p.pending.banned,
		})
		for _, prefix := range slices.SortedFunc(maps.Keys(p.tombs), observed.Compare) {
			t := p.tombs[prefix]
			put(&entry{
				kind: kindTomb, prefix: prefix, host: p.host, jail: p.jail,
				at: t.at, until: t.keep, pattern: kind == kindPattern,
			})
		}
	}
}

// exportKnown gives the fresh records. Earlier releases take each for a writer
// of one record.
func (f *Fold) exportKnown(put func(*entry)) {
	f.dropKnown()
	names := make(map[string]time.Time, len(f.known))
	for p, at := range f.known {
		names[hex.EncodeToString(p[:])] = at
	}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		put(&entry{kind: kindKnown, host: name, at: names[name]})
	}
}

// restoreKnown passes over the writers of earlier releases and their numbers:
// what they say about a record is not sure.
func (f *Fold) restoreKnown(e *entry) {
	var p imprint
	if n, err := hex.Decode(p[:], []byte(e.host[:min(len(e.host), 2*len(p))])); err == nil && n == len(p) && e.seq == 0 {
		f.known[p] = e.at
	}
}

// restore takes one piece of a state in.
func (f *Fold) restore(e *entry) error {
	switch e.kind {
	case kindPair:
		return f.restorePair(e, f.pairs)
	case kindPattern:
		return f.restorePair(e, f.patterns)
	}
	if e.at.IsZero() {
		return fmt.Errorf("a %s without its time", quoted(e.kind))
	}
	if e.kind == kindKnown {
		f.restoreKnown(e)
		return nil
	}
	if !e.prefix.IsValid() {
		return fmt.Errorf("a %s without its prefix", quoted(e.kind))
	}
	switch e.kind {
	case kindClaim:
		return f.restoreClaim(e)
	case kindTomb:
		return f.restoreTomb(e)
	case kindLifted:
		return f.restoreLifted(e)
	case kindNote:
		f.takeNote(e.prefix, e.at)
		return nil
	}
	return fmt.Errorf("the kind %s is not known", quoted(e.kind))
}

func (f *Fold) restorePair(e *entry, known map[pairKey]*pair) error {
	key := pairKey{e.host, e.jail}
	if known[key] != nil {
		return errors.New("a pair comes twice")
	}
	if e.host != "" && CheckHost(e.host) != nil {
		return errors.New("a pair whose host is not valid")
	}
	if e.flush.IsZero() && (!e.deadline.IsZero() || e.marked) || e.deadline.Before(e.flush) {
		return errors.New("a pair whose flush contradicts itself")
	}
	var p *pair
	if e.kind == kindPattern {
		p = newPair(key, &f.holders.patterns)
		f.patterns[key] = p
	} else {
		p = newPair(key, &f.holders.pairs)
		f.enter(p)
	}
	p.flushed, p.last, p.made = e.at, e.last, e.until
	f.await(p, pending{at: e.flush, deadline: e.deadline, banned: e.marked, before: bornUnmarked})
	return nil
}

// The records that restored claims count as made by: what a deferred flush marks
// was there before it.
const (
	bornMarked uint64 = iota
	bornUnmarked
)

func (f *Fold) restoreClaim(e *entry) error {
	p := f.pairs[pairKey{e.host, e.jail}]
	if p == nil || e.jail == "" {
		return errors.New("a claim of an unknown pair")
	}
	if p.claims[e.prefix] != nil || e.count < 0 || e.count >= 1<<31 {
		return errors.New("a claim that comes twice, or with a wrong count")
	}
	known := e.last
	if known.IsZero() {
		known = e.at
	}
	keep := e.deadline
	if keep.IsZero() {
		keep = e.until
	}
	if keep.Before(e.until) {
		return errors.New("a claim that is forgotten before its end")
	}
	c := &claim{
		pair: p, prefix: e.prefix, from: e.at, until: e.until, keep: keep, known: known, born: bornUnmarked,
		reason: clip(e.text, maxReason), banCount: int(e.count),
	}
	switch {
	case e.flush.IsZero():
	case e.flush.Equal(p.pending.deadline):
		c.born = bornMarked
	default: // an earlier release kept the flush of a claim that its pair forgot
		c.until = sooner(c.until, e.flush)
	}
	if e.marked {
		c.noted, _ = c.over()
	}
	f.insert(c)
	return nil
}

func (f *Fold) restoreTomb(e *entry) error {
	pairs := f.pairs
	if e.pattern {
		pairs = f.patterns
	}
	p := pairs[pairKey{e.host, e.jail}]
	if p == nil || !e.until.After(e.at) {
		return errors.New("a tombstone of an unknown pair, or with no end")
	}
	if _, ok := p.tombs[e.prefix]; ok {
		return errors.New("a tombstone comes twice")
	}
	p.tombs[e.prefix] = tomb{at: e.at, keep: e.until}
	p.grew(1)
	f.tombs++
	return nil
}

func (f *Fold) restoreLifted(e *entry) error {
	switch r := Reason(e.text); r {
	case Expired, Unbanned, Flushed:
		f.lifted[e.prefix] = lifting{reason: r, at: e.at}
		return nil
	}
	return fmt.Errorf("the reason %s is not known", quoted(e.text))
}

// imported ends a series of calls of restore.
func (f *Fold) imported() {
	f.grown, f.records = true, bornUnmarked
	f.due = time.Unix(0, 0) // the first Advance looks at every claim
}
