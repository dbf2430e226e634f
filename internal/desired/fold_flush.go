package desired

import "time"

// flush clears the pairs that it names: at once, or after its delay unless a
// stop or start of the pair follows by then.
func (f *Fold) flush(rec Record, t time.Time, recovered bool) {
	some := rec.Host == "" || rec.Jail == ""
	if !some {
		f.pair(rec.Host, rec.Jail, t)
	}
	for p := range f.matching(rec.Host, rec.Jail) {
		f.touched++
		if !recovered || t.After(f.lastOf(p)) {
			f.flushPair(p, t, rec.Defer, recovered)
		}
	}
	if some {
		f.flushPattern(f.pattern(rec.Host, rec.Jail), t, rec.Defer, recovered)
	}
}

func (f *Fold) flushPair(p *pair, t time.Time, wait time.Duration, recovered bool) {
	p.last = later(p.last, t)
	f.judge(p.server, t)
	if p.pending.effective(t) {
		f.settle(p)
	}
	if wait > 0 {
		banned := recovered && p.metSince(t)
		f.await(p, pending{at: t, deadline: laterBy(t, wait), banned: banned, before: f.records, byTime: recovered})
		f.due = sooner(f.due, p.pending.deadline)
		return
	}
	for _, c := range p.claims {
		f.touched++
		if !recovered || c.known.Before(t) {
			f.end(c, t, Flushed)
		}
	}
	p.flushed = later(p.flushed, t)
	f.await(p, pending{})
}

// metSince says that a claim of the pair has met a record of time t or later.
func (p *pair) metSince(t time.Time) bool {
	for _, c := range p.claims {
		if !c.known.Before(t) {
			return true
		}
	}
	return false
}

// flushPattern keeps a flush for pairs of which nothing is known yet.
func (f *Fold) flushPattern(p *pair, t time.Time, wait time.Duration, recovered bool) {
	if recovered && !t.After(f.lastOf(p)) {
		return
	}
	p.last = later(p.last, t)
	if wait == 0 {
		p.flushed = later(p.flushed, t)
		f.await(p, pending{})
		return
	}
	if p.pending.effective(t) {
		p.flushed = later(p.flushed, p.pending.at)
	}
	f.await(p, pending{at: t, deadline: laterBy(t, wait), before: f.records})
}

// settle makes a deferred flush final: no later stop revives what it cleared.
func (f *Fold) settle(p *pair) {
	for _, c := range p.claims {
		f.touched++
		if p.pending.marks(c) {
			f.end(c, p.pending.deadline, Flushed)
		}
	}
	p.flushed = later(p.flushed, p.pending.at)
	f.await(p, pending{})
}

// stopOrStart ends the wait of a deferred flush: fail2ban flushes before every
// stop, and a stop is to keep its bans, those that a start does not announce
// again excepted (see trialQuiet). A stop that comes late revives them, unless a
// ban in between shows that the flush was meant.
func (f *Fold) stopOrStart(rec Record, t time.Time, recovered bool) {
	if rec.Host != "" && rec.Jail != "" {
		p := f.pair(rec.Host, rec.Jail, t)
		f.turn(p, rec.Op, t, recovered)
		p.last = later(p.last, t)
		return
	}
	tried := f.stopped
	if rec.Op == OpStop {
		tried = f.started
	}
	for p := range f.among(tried, rec.Host, rec.Jail) {
		f.turn(p, rec.Op, t, recovered)
	}
	if rec.Op == OpStop || !t.After(f.waiting.latest) {
		for p := range f.among(f.waiting, rec.Host, rec.Jail) {
			f.turn(p, rec.Op, t, recovered)
		}
	}
	if !t.After(f.banned.latest) {
		for p := range f.among(f.banned, rec.Host, rec.Jail) {
			f.turn(p, rec.Op, t, recovered)
		}
	}
	p := f.pattern(rec.Host, rec.Jail)
	f.turn(p, rec.Op, t, recovered)
	p.last = later(p.last, t)
}

// turn takes that a jail has stopped or started: it calls off the flush that is
// under way, and puts on trial what that has marked.
func (f *Fold) turn(p *pair, op Op, t time.Time, recovered bool) {
	if recovered && t.Before(f.lastOf(p)) {
		return
	}
	if p.server != nil {
		f.judge(p.server, t)
	}
	p.running, p.turned = op == OpStart, t
	next, late := p.trial, t.After(p.pending.deadline)
	if !p.pending.at.IsZero() && (!late || op == OpStop && !p.pending.banned) {
		next, p.kept = p.pending, p.pending.at
		f.await(p, pending{})
		f.due = time.Unix(0, 0) // the next Advance looks at every claim
	}
	if p.server == nil {
		return
	}
	if p.running {
		f.prolong(p.server, t, p.triable(next))
	}
	f.try(p, next)
}

// lastOf gives the time of the latest flush, stop or start of a pair, or of all
// pairs that it is one of.
func (f *Fold) lastOf(p *pair) time.Time {
	last := p.last
	for _, pattern := range f.patternsOf(p.pairKey) {
		last = later(last, pattern.last)
	}
	return last
}
