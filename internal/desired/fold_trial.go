package desired

import "time"

// A flush that a stop or start calls off is either a restart of fail2ban, which
// keeps its bans, or an `unban --all` with a restart behind it, which does not.
// What fail2ban says after the start tells them apart: it announces every ban
// that it holds again. So what such a flush had marked is on trial, and what is
// not announced is lifted once fail2ban has had the time.
//
// fail2ban does one thing after the other, whichever jail it is for, so the time
// is that of the host: it ends when no jail has started and no ban was announced
// for trialQuiet. No command of an action may take longer than a minute. The
// time of an announcement is that of its writing; those that tell none are
// allowed for at the start, by their number.
const (
	trialQuiet = 2 * time.Minute
	trialEach  = 50 * time.Millisecond // 3,300 took 40 s on a busy machine
)

// server is what is known of the fail2ban of one host.
type server struct {
	pairs int                // how many pairs are its
	until time.Time          // when what is on trial is lifted
	tried map[*pair]struct{} // pairs that have started and may have claims on trial
}

func (f *Fold) server(host string) *server {
	s := f.servers[host]
	if s == nil {
		s = &server{tried: map[*pair]struct{}{}}
		f.servers[host] = s
	}
	return s
}

// onTrial says that a flush which was called off has marked the claim, and that
// fail2ban has not announced it since.
func (c *claim) onTrial() bool {
	t := c.pair.trial
	return c.said < t.before && (!t.byTime || c.known.Before(t.at)) && !c.pair.pending.marks(c)
}

// try puts on trial what a flush that was called off has marked; the zero value
// is nothing.
func (f *Fold) try(p *pair, next pending) {
	p.trial = next
	on := next.before > 0
	f.started.put(p, on && p.running)
	f.stopped.put(p, on && !p.running)
	if delete(p.server.tried, p); on && p.running {
		p.server.tried[p] = struct{}{}
	}
	if on {
		f.due = time.Unix(0, 0) // the next Advance looks at every claim
	}
}

// triable gives how many claims of the pair a flush that was called off may have
// marked.
func (p *pair) triable(by pending) int {
	if by.before == 0 {
		return 0
	}
	return len(p.claims)
}

// judge lifts what was on trial on a host and was not announced by t.
func (f *Fold) judge(s *server, t time.Time) {
	if !t.After(s.until) {
		return
	}
	for p := range s.tried {
		for _, c := range p.claims {
			f.touched++
			if c.onTrial() {
				f.convict(c, s.until)
			}
		}
		f.try(p, pending{})
	}
}

// convict ends a claim that was not announced. It is not taken away: an older copy
// of its ban must find that it is over, while a late announcement makes it anew.
func (f *Fold) convict(c *claim, at time.Time) {
	if end, _ := c.over(); !end.Equal(at) {
		return // it was over before
	}
	if !c.isNoted() {
		f.noteLifted(c.prefix, at, Flushed)
	}
	c.keep, c.until, c.noted = c.keepFrom(at), at, at
	c.known = later(c.known, c.pair.turned)
}

// prolong gives fail2ban time from t on, and more for each claim on trial.
func (f *Fold) prolong(s *server, t time.Time, claims int) {
	f.judge(s, t)
	next := laterBy(t, trialQuiet+time.Duration(claims)*trialEach)
	if !next.After(s.until) {
		return
	}
	if !f.seen.Before(s.until) && len(s.tried) > 0 {
		f.due = time.Unix(0, 0) // what had ended by the clock goes on
	}
	s.until = next
}

// announce takes a restored ban: fail2ban holds it, so it is no longer on trial,
// even where the record itself has no effect.
func (f *Fold) announce(p *pair, rec Record, recovered bool) {
	c := p.claims[rec.Prefix]
	if c != nil && c.onTrial() && (!recovered || rec.Written.After(p.turned)) {
		c.said = f.records
		f.due = sooner(f.due, c.until)
	}
	if !rec.Written.IsZero() {
		f.prolong(p.server, rec.Written, 0)
	}
}
