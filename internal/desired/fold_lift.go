package desired

import (
	"net/netip"
	"slices"
	"time"
)

const (
	keepUnknown   = 24 * time.Hour       // the trace of an unban that met no claim
	keepPermanent = 400 * 24 * time.Hour // of one that met a permanent ban, of one for all hosts, and of a flush
)

// note is an unban without a jail; Union warns while a wider ban goes on.
type note struct {
	prefix netip.Prefix
	at     time.Time
}

// unban lifts claims for good. One that names a jail lifts exactly its prefix;
// one that names none lifts the prefix and all inside it.
func (f *Fold) unban(rec Record, t time.Time, recovered bool) {
	if rec.Host != "" && rec.Jail != "" {
		p := f.pair(rec.Host, rec.Jail, t)
		keep := laterBy(t, keepUnknown)
		if c := p.claims[rec.Prefix]; c != nil {
			if recovered && !t.After(c.known) {
				return
			}
			keep = f.end(c, t, Unbanned)
		}
		f.bury(p, rec.Prefix, t, keep)
		return
	}
	keep := laterBy(t, keepUnknown)
	if rec.Host == "" && rec.Jail == "" {
		keep = laterBy(t, keepPermanent) // the claims that it means may be in another source
	}
	for _, c := range f.named(rec) {
		if recovered && !t.After(c.known) {
			continue
		}
		p, prefix, forgotten := c.pair, c.prefix, f.forgotten(c)
		if end := f.end(c, t, Unbanned); !forgotten {
			f.bury(p, prefix, t, end)
			keep = later(keep, end)
		}
	}
	f.bury(f.pattern(rec.Host, rec.Jail), rec.Prefix, t, keep)
	if rec.Jail == "" {
		f.takeNote(rec.Prefix, t)
	}
}

// named gives the claims that an unban without a host or a jail means.
func (f *Fold) named(rec Record) []*claim {
	var found []*claim
	if rec.Jail != "" {
		for p := range f.matching(rec.Host, rec.Jail) {
			f.touched++
			if c := p.claims[rec.Prefix]; c != nil {
				found = append(found, c)
			}
		}
		return found
	}
	for c := range f.inside(rec.Prefix) {
		if c.pair.matches(rec.Host, "") {
			found = append(found, c)
		}
	}
	return found
}

// inside says that every address of p is in wide.
func inside(p, wide netip.Prefix) bool {
	return wide.Bits() <= p.Bits() && wide.Contains(p.Addr())
}

// end takes a claim away and notes why its prefix may be no longer wanted. It
// gives the time until which a tombstone of it must stay.
func (f *Fold) end(c *claim, at time.Time, why Reason) time.Time {
	keep := c.keepFrom(at)
	if f.forgotten(c) {
		keep = laterBy(at, keepUnknown)
	}
	if over, reason := c.over(); !over.IsZero() && !over.After(at) {
		at, why = over, reason
	}
	if !c.isNoted() {
		f.noteLifted(c.prefix, at, why)
	}
	f.remove(c)
	return keep
}

// over gives when the claim ends by itself, and why; zero is never.
func (c *claim) over() (time.Time, Reason) {
	if end := c.flushAt(); EndsBefore(end, c.until) {
		return end, Flushed
	}
	return c.until, Expired
}

// flushAt gives when a flush ends the claim: a deferred one, or one that was
// called off and put it on trial; zero: none is under way.
func (c *claim) flushAt() time.Time {
	switch p := c.pair; {
	case p.pending.marks(c):
		return p.pending.deadline
	case p.running && c.onTrial():
		return p.server.until
	}
	return time.Time{}
}

// isNoted says that its end by itself, as it is now, is written in lifted.
func (c *claim) isNoted() bool {
	end, _ := c.over()
	return !c.noted.IsZero() && c.noted.Equal(end)
}

// overAt says that the claim has ended by itself.
func (c *claim) overAt(now time.Time) bool {
	end, _ := c.over()
	return !end.IsZero() && !now.Before(end)
}

// noteLifted keeps the reason of the claim on a prefix that ended last.
func (f *Fold) noteLifted(prefix netip.Prefix, at time.Time, why Reason) {
	old, ok := f.lifted[prefix]
	if ok && (at.Before(old.at) || at.Equal(old.at) && why < old.reason) {
		at, why = old.at, old.reason
	}
	f.lifted[prefix] = lifting{reason: why, at: at, generation: f.generation + 1}
}

// pattern gives the trace of records that left host or jail out.
func (f *Fold) pattern(host, jail string) *pair {
	key := pairKey{host, jail}
	p := f.patterns[key]
	if p == nil {
		p = newPair(key, &f.holders.patterns)
		f.patterns[key] = p
		f.grown = true
	}
	return p
}

// bury sets a tombstone: older restored bans of this key are ignored while the
// newest record is before keep.
func (f *Fold) bury(p *pair, prefix netip.Prefix, at, keep time.Time) {
	if !keep.After(at) {
		return
	}
	old, ok := p.tombs[prefix]
	p.tombs[prefix] = tomb{at: later(old.at, at), keep: later(old.keep, keep)}
	if !ok {
		f.tombs++
		p.grew(1)
		f.grown = true
	}
}

// outlive keeps what a recovered ban has lost against until the end of that ban,
// which may come again.
func (f *Fold) outlive(p *pair, prefix netip.Prefix, until time.Time) {
	if until.IsZero() {
		until = laterBy(f.newest, keepPermanent)
	}
	if c := p.claims[prefix]; c != nil && !f.forgotten(c) {
		c.keep = later(c.keep, until)
	} else if at := f.lastLift(p, prefix); !at.IsZero() {
		f.bury(p, prefix, at, until)
	}
}

func (f *Fold) dropTomb(p *pair, prefix netip.Prefix) {
	if _, ok := p.tombs[prefix]; ok {
		delete(p.tombs, prefix)
		f.tombs--
		p.grew(-1)
	}
}

// lastLift gives the time of the latest unban or final flush of a key; zero is
// never.
func (f *Fold) lastLift(p *pair, prefix netip.Prefix) time.Time {
	last := f.tombAt(p, prefix)
	if f.newest.Before(laterBy(p.flushed, keepPermanent)) {
		last = later(last, p.flushed)
	}
	for _, pattern := range f.patternsOf(p.pairKey) {
		last = later(last, f.tombAt(pattern, prefix))
		if pattern.jail != "" || len(pattern.tombs) == 0 {
			continue
		}
		for bits := prefix.Bits() - 1; bits > 0; bits-- {
			wider := netip.PrefixFrom(prefix.Addr(), bits).Masked()
			last = later(last, f.tombAt(pattern, wider))
		}
	}
	return last
}

func (f *Fold) tombAt(p *pair, prefix netip.Prefix) time.Time {
	if t, ok := p.tombs[prefix]; ok && f.newest.Before(t.keep) {
		return t.at
	}
	return time.Time{}
}

func (f *Fold) takeNote(prefix netip.Prefix, at time.Time) {
	kept := f.notes[:0]
	for _, n := range f.notes {
		if n.prefix != prefix {
			kept = append(kept, n)
		}
	}
	if len(kept) == maxNotes {
		kept = slices.Delete(kept, 0, 1)
	}
	kept = append(kept, note{prefix: prefix, at: at})
	f.notes = kept
}
