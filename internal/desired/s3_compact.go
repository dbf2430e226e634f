package desired

import (
	"bytes"
	"errors"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"
)

const (
	// keepLifts is how long compaction keeps every record that is no ban, so that
	// a host that reads from time to time learns of each lift.
	keepLifts = 24 * time.Hour
	// keepMarks is how long it keeps the last number of a writer that wrote once:
	// such a writer gives up within seconds. That of a spool is kept for long.
	keepMarks = 24 * time.Hour
)

// condenser makes the content of an object small. It keeps the lines that still
// make a difference, in their order, behind a header that no earlier content
// had; at the end come the numbers of writers whose last record is gone.
type condenser struct {
	log    *objectLog
	now    time.Time
	parser Parser
	lines  []kept
	last   map[any]int // the last line of a claim, a pause or a confirm, by what it is about
	recent int         // from this line on all but bans are kept
	proofs map[int]int // a ban that shows that a deferred flush was meant, and the line of that flush
	open   []int       // lines of deferred flushes, no proof of which has come
	marks  map[string]mark
	inLine map[string]uint64 // the highest number of each writer in a line that is kept
}

// kept is a record of the content: as it is written, and as it is meant here.
type kept struct{ written, meant Record }

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

// mark is the highest number of a writer.
type mark struct {
	seq uint64
	at  time.Time // of the last compaction that found a record of it
}

// condense gives the content in small. The content must be what take has read.
func (l *objectLog) condense(body []byte, now time.Time) []byte {
	l.intake.fold.Advance(now) // it may be the first thing that is done after a start
	c := &condenser{
		log: l, now: writable(now), last: map[any]int{}, recent: -1, proofs: map[int]int{},
		marks: map[string]mark{}, inLine: map[string]uint64{},
	}
	for line := range bytes.Lines(body) {
		line = trimBlank(bytes.TrimSuffix(line, []byte{'\n'}))
		rec, err := c.parser.Parse(line)
		if err == nil {
			c.collect(rec)
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
		if m, ok := c.marks[rec.ID.Writer]; (!ok || rec.ID.Seq > m.seq) && rec.ID.Writer != generations {
			c.marks[rec.ID.Writer] = mark{seq: rec.ID.Seq, at: rec.Time}
		}
		return
	}
	if w := rec.ID.Writer; w != "" {
		if m, ok := c.marks[w]; ok && rec.ID.Seq <= m.seq {
			return
		}
		c.marks[w] = mark{seq: rec.ID.Seq, at: c.now}
	}
	meant := rec
	if err := c.log.admit(&meant); err != nil && !errors.Is(err, errSkip) {
		return
	}
	if meant.Op == OpBan && meant.Jail == "" {
		meant.Jail = ManualJail
	}
	if rec.Time.IsZero() {
		rec.Time = c.timeOf(meant)
		meant.Time = rec.Time
	}
	if c.recent < 0 && !rec.Time.Before(c.now.Add(-keepLifts)) {
		c.recent = len(c.lines)
	}
	if key := about(meant); key != nil {
		c.last[key] = len(c.lines)
	}
	c.prove(meant)
	c.lines = append(c.lines, kept{rec, meant})
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
	if p := c.log.intake.fold.pairs[pairKey{meant.Host, meant.Jail}]; p != nil && meant.Op == OpBan {
		if held := p.claims[meant.Prefix]; held != nil {
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
	}
	return nil
}

// matters says that a line still makes a difference: to a host that reads the
// object for the first time, or for the first time since long.
func (c *condenser) matters(i int) bool {
	meant := c.lines[i].meant
	if flush, ok := c.proofs[i]; ok && c.matters(flush) {
		return true
	}
	if key := about(meant); key != nil && c.last[key] != i {
		return false
	}
	f := c.log.intake.fold
	pair := pairKey{meant.Host, meant.Jail}
	switch meant.Op {
	case OpBan:
		p := f.pairs[pair]
		return p != nil && p.claims[meant.Prefix] != nil
	case OpPause, OpResume, OpConfirm:
		return true
	case OpStart, OpStop: // it may have cancelled a flush that a reader still has before it
		if f.claimsBefore(meant) {
			return true
		}
	}
	if c.recent >= 0 && i >= c.recent {
		return true
	}
	if meant.Op == OpFlush {
		return f.flushedBy(meant)
	}
	traces := f.patterns[pair]
	if meant.Host != "" && meant.Jail != "" {
		traces = f.pairs[pair]
	}
	return traces != nil && meant.Op == OpUnban && f.tombAt(traces, meant.Prefix).Equal(meant.Time)
}

// flushedBy says that a flush is the latest of a pair, or may yet become it.
func (f *Fold) flushedBy(rec Record) bool {
	for _, all := range []map[pairKey]*pair{f.pairs, f.patterns} {
		for key, p := range all {
			named := key.matches(rec.Host, rec.Jail)
			if named && (p.flushed.Equal(rec.Time) || p.pending.at.Equal(rec.Time)) {
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
	nonce := strings.TrimPrefix(newWriter("", "."), ".")
	out := headerLine(ID{Writer: generations, Seq: generation}, c.now)
	out = appendTextField(out[:len(out)-1], "nonce", nonce)
	out = append(out, '}', '\n')
	for i := range c.lines {
		if !c.matters(i) {
			continue
		}
		rec := c.lines[i].written
		out = append(rec.AppendJSON(out), '\n')
		if rec.ID.Writer != "" {
			c.inLine[rec.ID.Writer] = rec.ID.Seq
		}
	}
	for _, writer := range slices.Sorted(maps.Keys(c.marks)) {
		m := c.marks[writer]
		if c.inLine[writer] >= m.seq || c.outlived(writer, m) {
			continue
		}
		out = append(append(out, headerLine(ID{Writer: writer, Seq: m.seq}, m.at)...), '\n')
	}
	return out
}

// outlived says that nobody can write again what a mark is about.
func (c *condenser) outlived(writer string, m mark) bool {
	keep := keepMarks
	if isSpool(writer) {
		keep = keepPermanent
	}
	return m.at.Before(c.now.Add(-keep))
}
