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
	for _, host := range slices.Sorted(maps.Keys(f.servers)) {
		if s := f.servers[host]; !s.until.IsZero() {
			put(&entry{kind: kindServer, host: host, at: s.until})
		}
	}
	exportPairs(kindPair, f.pairs, put)
	exportPairs(kindPattern, f.patterns, put)
	var e entry
	for _, c := range f.sorted() {
		e = entry{
			kind: kindClaim, prefix: c.prefix, host: c.pair.host, jail: c.pair.jail, text: c.reason,
			count: int64(c.banCount), at: c.from, until: c.until, marked: c.isNoted(), trial: c.onTrial(),
		}
		if c.pair.pending.marks(c) {
			e.flush = c.pair.pending.deadline
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
			turned: p.turned, running: p.running, kept: p.kept,
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
	if f.local {
		e.settleHere()
	}
	switch e.kind {
	case kindPair:
		return f.restorePair(e, f.pairs)
	case kindPattern:
		return f.restorePair(e, f.patterns)
	}
	if e.at.IsZero() {
		return fmt.Errorf("a %s without its time", quoted(e.kind))
	}
	switch e.kind {
	case kindKnown:
		f.restoreKnown(e)
		return nil
	case kindServer:
		s := f.server(e.host)
		s.until = later(s.until, e.at)
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

// settleHere lets an entry of a log on this machine speak for this host. Earlier
// releases kept a name, and a jail that named no host in a pattern of its own.
func (e *entry) settleHere() {
	switch e.kind {
	case kindPattern, kindTomb:
		if e.jail != "" && (e.kind == kindPattern || e.pattern) {
			e.pattern = false
			if e.kind == kindPattern {
				e.kind = kindPair
			}
		}
		if e.host != "" || e.jail != "" {
			e.host = thisHost
		}
	case kindPair, kindClaim, kindServer:
		e.host = thisHost
	}
}

func (f *Fold) restorePair(e *entry, known map[pairKey]*pair) error {
	key := pairKey{e.host, e.jail}
	p := known[key]
	if p != nil && !f.local {
		return errors.New("a pair comes twice")
	}
	if e.host != "" && e.host != thisHost && CheckHost(e.host) != nil {
		return errors.New("a pair whose host is not valid")
	}
	if e.flush.IsZero() && (!e.deadline.IsZero() || e.marked) || e.deadline.Before(e.flush) {
		return errors.New("a pair whose flush contradicts itself")
	}
	switch {
	case p != nil:
	case e.kind == kindPattern:
		p = newPair(key, &f.holders.patterns)
		f.patterns[key] = p
	default:
		p = newPair(key, &f.holders.pairs)
		f.enter(p)
	}
	p.flushed, p.last, p.made = later(p.flushed, e.at), later(p.last, e.last), later(p.made, e.until)
	if p.pending.at.IsZero() || e.flush.After(p.pending.at) {
		f.await(p, pending{at: e.flush, deadline: e.deadline, banned: e.marked, before: bornUnmarked})
	}
	if e.turned.After(p.turned) {
		p.running, p.turned = e.running, e.turned
	}
	p.kept = later(p.kept, e.kept)
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
	if p.claims[e.prefix] != nil && !f.local || e.count < 0 || e.count >= 1<<31 {
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
		pair: p, prefix: e.prefix, from: e.at, until: e.until, keep: keep, known: known, born: bornUnmarked, said: bornUnmarked,
		reason: clip(e.text, maxReason), banCount: int(e.count),
	}
	switch {
	case e.flush.IsZero():
	case e.flush.Equal(p.pending.deadline), f.local && !p.pending.at.IsZero():
		c.born, c.said = bornMarked, bornMarked
	default: // an earlier release kept the flush of a claim that its pair forgot
		c.until = sooner(c.until, e.flush)
	}
	if e.trial {
		c.said = bornMarked
		f.try(p, pending{before: bornUnmarked})
	}
	if e.marked {
		c.noted, _ = c.over()
	}
	if old := p.claims[e.prefix]; old != nil {
		old.join(c)
		return nil
	}
	f.insert(c)
	return nil
}

// join takes in the claim that the same jail made under another name of this
// host: the one that lasts longer goes on.
func (c *claim) join(other *claim) {
	end, _ := c.over()
	if otherEnd, _ := other.over(); EndsBefore(end, otherEnd) {
		keep, known := c.keep, c.known
		*c = *other
		c.keep, c.known = later(c.keep, keep), later(c.known, known)
		return
	}
	c.keep, c.known = later(c.keep, other.keep), later(c.known, other.known)
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
	old, ok := p.tombs[e.prefix]
	if ok && !f.local {
		return errors.New("a tombstone comes twice")
	}
	p.tombs[e.prefix] = tomb{at: later(old.at, e.at), keep: later(old.keep, e.until)}
	if !ok {
		p.grew(1)
		f.tombs++
	}
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
