package desired

import "time"

// flush clears the pairs that it names: at once, or after its delay unless a
// stop or start of the pair follows by then.
func (f *Fold) flush(rec Record, t time.Time, recovered bool) {
	if rec.Host == "" || rec.Jail == "" {
		f.flushPattern(f.pattern(rec.Host, rec.Jail), t, rec.Defer, recovered)
	} else {
		f.pair(rec.Host, rec.Jail, t)
	}
	for _, p := range f.pairs {
		if p.matches(rec.Host, rec.Jail) && (!recovered || t.After(p.last)) {
			f.flushPair(p, t, rec.Defer, recovered)
		}
	}
}

func (f *Fold) flushPair(p *pair, t time.Time, wait time.Duration, recovered bool) {
	p.last = later(p.last, t)
	if p.pending.effective(t) {
		f.settle(p)
	}
	newer := false
	for _, c := range p.claims {
		switch {
		case recovered && !c.known.Before(t):
			newer = true
		case wait > 0:
			c.noted = c.noted && c.flushAt.IsZero() // the clock starts anew
			c.flushAt = laterBy(t, wait)
		default:
			f.end(c, t, Flushed)
		}
	}
	if wait > 0 {
		p.pending = pending{at: t, deadline: laterBy(t, wait), banned: newer}
		f.due = sooner(f.due, p.pending.deadline)
		return
	}
	p.flushed = later(p.flushed, t)
	p.pending = pending{}
}

// flushPattern keeps a flush for pairs of which nothing is known yet.
func (f *Fold) flushPattern(p *pair, t time.Time, wait time.Duration, recovered bool) {
	if recovered && !t.After(p.last) {
		return
	}
	p.last = later(p.last, t)
	if wait == 0 {
		p.flushed = later(p.flushed, t)
		p.pending = pending{}
		return
	}
	if p.pending.effective(t) {
		p.flushed = later(p.flushed, p.pending.at)
	}
	p.pending = pending{at: t, deadline: laterBy(t, wait)}
}

// settle makes a deferred flush final: no later stop revives what it cleared.
func (f *Fold) settle(p *pair) {
	for _, c := range p.claims {
		if !c.flushAt.IsZero() {
			f.end(c, c.flushAt, Flushed)
		}
	}
	p.flushed = later(p.flushed, p.pending.at)
	p.pending = pending{}
}

// stopOrStart ends the wait of a deferred flush: fail2ban flushes before every
// stop, and a stop is to keep its bans. A stop that comes late revives them,
// unless a ban in between shows that the flush was meant.
func (f *Fold) stopOrStart(rec Record, t time.Time, recovered bool) {
	if rec.Host != "" && rec.Jail != "" {
		f.pair(rec.Host, rec.Jail, t)
	}
	for _, p := range f.pairs {
		if p.matches(rec.Host, rec.Jail) && (!recovered || !t.Before(p.last)) {
			f.cancel(p, rec.Op, t)
		}
	}
	for key, p := range f.patterns {
		if key.matches(rec.Host, rec.Jail) && (!recovered || !t.Before(p.last)) {
			f.cancel(p, rec.Op, t)
		}
	}
}

func (f *Fold) cancel(p *pair, op Op, t time.Time) {
	p.last = later(p.last, t)
	inTime := !t.After(p.pending.deadline)
	if p.pending.at.IsZero() || !inTime && (op == OpStart || p.pending.banned) {
		return
	}
	for _, c := range p.claims {
		if !c.flushAt.IsZero() {
			c.flushAt, c.noted = time.Time{}, false
			f.due = sooner(f.due, c.until)
		}
	}
	p.pending = pending{}
}
