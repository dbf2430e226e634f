package desired

import (
	"bytes"
	"errors"
	"net/netip"
	"slices"
	"time"
)

// keepLifts is how long compaction keeps every record that is no ban, so that a
// host that reads from time to time learns of each lift.
const keepLifts = 24 * time.Hour

// condenser makes the content of an object small. It keeps the lines that still
// make a difference, in their order, behind a header that no earlier content had.
type condenser struct {
	log    *objectLog
	now    time.Time
	parser Parser
	lines  []kept
	there  map[imprint]bool
	last   map[any]int        // the line that decides on a claim, a pause or a confirm, by what it is about
	ends   map[any]int        // the ban of a claim that ends last
	met    map[time.Time]bool // times of records that a claim goes by, though it begins earlier
	recent int                // from this line on all but bans are kept
	proofs map[int]int        // a ban that shows that a deferred flush was meant, and the line of that flush
	open   []int              // lines of deferred flushes, no proof of which has come
	newest int                // the line with the latest time; -1: there is none
}

// kept is a record of the content: as it is written, and as it is meant here.
type kept struct {
	written, meant Record
	raw            []byte // a line whose operation is not known: for a release that knows it
	after          int    // the line that makes this one late (see fresh); -1: it is not
}

// claimKey names a claim within one log.
type claimKey struct {
	pairKey
	prefix netip.Prefix
}

// switchKey names what a pause or a confirm is about.
type switchKey struct {
	host    string
	confirm bool
}

// allowKey names what an allow is about.
type allowKey struct {
	host   string
	prefix netip.Prefix
}

// condense gives the content in small. The content must be what take has read.
func (l *objectLog) condense(body []byte, now time.Time) []byte {
	l.intake.fold.Advance(now) // it may be the first thing that is done after a start
	c := &condenser{
		log: l, now: writable(now), there: map[imprint]bool{}, last: map[any]int{}, ends: map[any]int{}, met: l.intake.fold.met(), recent: -1, proofs: map[int]int{}, newest: -1,
	}
	for line := range bytes.Lines(body) {
		line = trimBlank(bytes.TrimSuffix(line, []byte{'\n'}))
		rec, err := c.parser.Parse(line)
		if err == nil {
			c.collect(rec)
			continue
		}
		if errors.Is(err, errUnknownOp) {
			c.lines = append(c.lines, kept{raw: line, after: -1})
			continue
		}
		for _, rec := range salvage(&c.parser, line) {
			c.collect(rec)
		}
	}
	return c.write(generationOf(body) + 1)
}

// collect takes a record in, unless it is a repeat or speaks for another host.
func (c *condenser) collect(rec Record) {
	if rec.Op == OpSeen {
		return
	}
	meant := rec
	refused := c.log.admit(&meant)
	if refused != nil && !errors.Is(refused, errSkip) {
		return
	}
	if rec.ID != "" {
		mark := imprintOf(rec)
		if c.there[mark] {
			return
		}
		c.there[mark] = true
	}
	if meant.Op == OpBan && meant.Jail == "" {
		meant.Jail = ManualJail
	}
	if rec.Time.IsZero() {
		rec.Time = c.timeOf(meant)
		meant.Time = rec.Time
	}
	line := kept{written: rec, meant: meant, after: c.latenessOf(rec)}
	if refused == nil && (c.newest < 0 || rec.Time.After(c.lines[c.newest].meant.Time)) {
		c.newest = len(c.lines)
	}
	if c.recent < 0 && !rec.Time.Before(c.now.Add(-keepLifts)) {
		c.recent = len(c.lines)
	}
	if key := about(meant); key != nil {
		if line.after < 0 || !c.lost(meant) {
			c.last[key] = len(c.lines)
		}
		if i, ok := c.ends[key]; !ok || !EndsBefore(meant.Until(meant.Time), c.lines[i].meant.Until(c.lines[i].meant.Time)) {
			c.ends[key] = len(c.lines)
		}
	}
	c.prove(meant)
	c.lines = append(c.lines, line)
}

// latenessOf gives the line before a record that makes it late; -1 is none.
func (c *condenser) latenessOf(rec Record) int {
	if rec.ID == "" || !c.pastFresh(rec) {
		return -1
	}
	return c.newest
}

// pastFresh says that a record is so much older than the newest that a repeat of
// it goes by its time.
func (c *condenser) pastFresh(rec Record) bool {
	return c.newest >= 0 && rec.Time.Before(c.lines[c.newest].meant.Time.Add(-fresh))
}

// lost says of a late record that it is not the one that decides now.
func (c *condenser) lost(meant Record) bool {
	if meant.Op == OpBan {
		held := c.held(meant)
		return held == nil || !held.from.Equal(meant.Time)
	}
	i, known := c.last[about(meant)]
	return known && !meant.Time.After(c.lines[i].meant.Time)
}

// held gives the claim that a ban is about; nil is none.
func (c *condenser) held(meant Record) *claim {
	if p := c.log.intake.fold.pairs[pairKey{meant.Host, meant.Jail}]; p != nil {
		return p.claims[meant.Prefix]
	}
	return nil
}

// prove notes a ban after a deferred flush, which makes the flush final though a
// stop follows (see stopOrStart).
func (c *condenser) prove(meant Record) {
	if meant.Op == OpFlush && meant.Defer > 0 {
		c.open = append(c.open, len(c.lines))
	}
	if meant.Op != OpBan {
		return
	}
	pair := pairKey{meant.Host, meant.Jail}
	c.open = slices.DeleteFunc(c.open, func(i int) bool {
		flush := c.lines[i].meant
		exact := flush.Host != "" && flush.Jail != ""
		if pair.matches(flush.Host, flush.Jail) {
			c.proofs[len(c.lines)] = i
		}
		return exact && pair.matches(flush.Host, flush.Jail)
	})
}

// timeOf gives a record that has no time the one at which it was read.
func (c *condenser) timeOf(meant Record) time.Time {
	if meant.Op == OpBan {
		if held := c.held(meant); held != nil {
			return held.from
		}
	}
	return c.now
}

// about gives what only the last record on it decides; nil is nothing.
func about(meant Record) any {
	switch meant.Op {
	case OpBan:
		return claimKey{pairKey{meant.Host, meant.Jail}, meant.Prefix}
	case OpPause, OpResume:
		return switchKey{meant.Host, false}
	case OpConfirm:
		return switchKey{meant.Host, true}
	case OpAllow, OpDisallow:
		return allowKey{meant.Host, meant.Prefix}
	}
	return nil
}

// matters says that a line still makes a difference: to a host that reads the
// object for the first time, or for the first time since long, or to one that
// may get the same record again.
func (c *condenser) matters(i int) bool {
	meant := c.lines[i].meant
	if c.lines[i].raw != nil || meant.ID != "" && !c.pastFresh(meant) || c.met[meant.Time] {
		return true
	}
	if flush, ok := c.proofs[i]; ok && c.matters(flush) {
		return true
	}
	f := c.log.intake.fold
	if decides, ok := c.last[about(meant)]; about(meant) != nil && (!ok || decides != i) {
		return meant.Op == OpBan && c.outlasts(i)
	}
	switch meant.Op {
	case OpBan:
		return c.held(meant) != nil || c.outlasts(i)
	case OpStart, OpStop: // it may have cancelled a flush that a reader still has before it
		return f.claimsBefore(meant) || c.isRecent(i)
	case OpFlush:
		return c.isRecent(i) || f.flushedBy(meant)
	case OpUnban:
		return c.isRecent(i) || c.remembered(meant)
	case OpAllow, OpDisallow:
		return c.now.Before(allowanceOf(meant, meant.Time).keep())
	}
	return true
}

// outlasts says of a ban that it would be in force, had it not been lifted or
// shortened: a reader must know of both, or a repeat revives it.
func (c *condenser) outlasts(i int) bool {
	meant, f := c.lines[i].meant, c.log.intake.fold
	p := f.pairs[pairKey{meant.Host, meant.Jail}]
	if p == nil {
		return false
	}
	held, key := p.claims[meant.Prefix], about(meant)
	return c.ends[key] == i && (held != nil && EndsBefore(held.until, meant.Until(meant.Time)) || !f.tombAt(p, meant.Prefix).IsZero())
}

// met gives the times of records that claims have met and that are later than
// their own.
func (f *Fold) met() map[time.Time]bool {
	times := map[time.Time]bool{}
	for _, c := range f.sorted() {
		if c.known.After(c.from) {
			times[c.known] = true
		}
	}
	return times
}

func (c *condenser) isRecent(i int) bool { return c.recent >= 0 && i >= c.recent }

// remembered says that the fold still goes by an unban.
func (c *condenser) remembered(meant Record) bool {
	f := c.log.intake.fold
	for _, all := range []map[pairKey]*pair{f.pairs, f.patterns} {
		for key, p := range all {
			if key.matches(meant.Host, meant.Jail) && f.buriedBy(p, meant) {
				return true
			}
		}
	}
	return false
}

// buriedBy says that a tombstone inside an unban's prefix is of that unban.
func (f *Fold) buriedBy(p *pair, unban Record) bool {
	for prefix, t := range p.tombs {
		if unban.Prefix.Overlaps(prefix) && t.at.Equal(unban.Time) && f.newest.Before(t.keep) {
			return true
		}
	}
	return false
}

// flushedBy says that a flush is the latest of a pair, or may yet become it, or is
// the latest that was called off.
func (f *Fold) flushedBy(rec Record) bool {
	for _, all := range []map[pairKey]*pair{f.pairs, f.patterns} {
		for key, p := range all {
			named := key.matches(rec.Host, rec.Jail)
			if named && (p.flushed.Equal(rec.Time) || p.pending.at.Equal(rec.Time) || p.kept.Equal(rec.Time)) {
				return true
			}
		}
	}
	return false
}

// claimsBefore says that a claim is older than the record and of its kind.
func (f *Fold) claimsBefore(rec Record) bool {
	for _, p := range f.pairs {
		if !p.matches(rec.Host, rec.Jail) {
			continue
		}
		for _, held := range p.claims {
			if held.from.Before(rec.Time) {
				return true
			}
		}
	}
	return false
}

func (c *condenser) write(generation uint64) []byte {
	keep := make([]bool, len(c.lines))
	for i := len(c.lines) - 1; i >= 0; i-- {
		if keep[i] = keep[i] || c.matters(i); keep[i] && c.lines[i].after >= 0 {
			keep[c.lines[i].after] = true // so that it is late for every reader
		}
	}
	out := append(compactionMark(generation, c.now), '\n')
	for i, line := range c.lines {
		if !keep[i] {
			continue
		}
		if line.raw != nil {
			out = append(out, line.raw...)
		} else {
			out = line.written.AppendJSON(out)
		}
		out = append(out, '\n')
	}
	return out
}
