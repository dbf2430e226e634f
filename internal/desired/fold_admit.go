package desired

import (
	"fmt"
	"time"
)

// farAhead is how far the time of a record may be ahead of its reading: more
// than a clock in another time zone is, and little enough to be waited for. What
// is further ahead counts as the time of reading, or one record of the year 9999
// would make a minute's ban last until then, and all restored bans be ignored.
const farAhead = 24 * time.Hour

// admit gives the time for which that of a record counts. Where records that are
// known already are further ahead, the reader's clock is behind, as before its
// first synchronisation, and they tell the time.
func (f *Fold) admit(t, readAt time.Time) time.Time {
	clock := writable(readAt)
	if f.newest.After(laterBy(clock, farAhead)) {
		clock = f.newest
	}
	if !t.After(laterBy(clock, farAhead)) {
		return t
	}
	f.remarks = append(f.remarks, tooFar(t))
	return clock
}

// mend brings a state back that an earlier release let records far ahead into.
// Clock is when it was saved or is loaded, whichever is later.
func (f *Fold) mend(clock time.Time) {
	if clock.IsZero() {
		return // nobody knows when it was saved
	}
	clock = writable(clock)
	last := laterBy(clock, farAhead)
	var ahead time.Time
	set := func(times ...*time.Time) {
		for _, t := range times {
			if t.After(last) {
				ahead, *t = later(ahead, *t), clock
			}
		}
	}
	set(&f.newest, &f.pausedAt, &f.confirmed)
	for _, pairs := range []map[pairKey]*pair{f.pairs, f.patterns} {
		for _, p := range pairs {
			set(&p.flushed, &p.last, &p.made)
			if p.pending.at.After(last) {
				f.await(p, pending{})
			}
			for prefix, t := range p.tombs {
				set(&t.at)
				p.tombs[prefix] = t
			}
			for _, c := range p.claims {
				c.mend(clock, last)
				set(&c.from, &c.known)
			}
		}
	}
	for prefix, l := range f.lifted {
		set(&l.at)
		f.lifted[prefix] = l
	}
	if !ahead.IsZero() {
		f.remarks = append(f.remarks, tooFar(ahead))
	}
}

// tooFar says that a time was not believed.
func tooFar(t time.Time) string {
	return fmt.Sprintf("time %s is far ahead of this host's clock, and that of reading counts; set the clock of the host that wrote it",
		t.UTC().Format(time.RFC3339))
}

// mend lets a ban that was made after last begin at clock instead.
func (c *claim) mend(clock, last time.Time) {
	if !c.from.After(last) || c.until.IsZero() {
		return
	}
	c.until = laterBy(clock, c.until.Sub(c.from))
	c.keep, c.noted = later(c.until, c.keepWithin(last)), time.Time{}
}

// keepWithin gives the end up to which a claim is remembered, unless that comes
// from a record far ahead as well.
func (c *claim) keepWithin(last time.Time) time.Time {
	if c.keep.After(last) {
		return time.Time{}
	}
	return c.keep
}
