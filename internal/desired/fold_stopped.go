package desired

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// How long a jail has been stopped when that is told: a restart is over by then
// where other jails of its host run; where none does, all of fail2ban is down.
const (
	stoppedAmongOthers = 2 * time.Minute
	stoppedAlone       = time.Hour
)

// gatherStopped tells of jails that were taken out of fail2ban's configuration:
// what they have banned nobody lifts any more.
func (s *Set) gatherStopped(now time.Time, folds []*Fold) {
	for _, f := range folds {
		running := map[*server]bool{}
		turned := map[*pair]time.Time{}
		for _, p := range f.pairs {
			on, at := f.lastTurn(p)
			if on {
				running[p.server] = true
			} else if !at.IsZero() && len(p.claims) > 0 {
				turned[p] = at
			}
		}
		for p, at := range turned {
			wait := stoppedAlone
			if running[p.server] {
				wait = stoppedAmongOthers
			}
			if now.Before(laterBy(at, wait)) {
				continue
			}
			if bans := p.active(now); bans > 0 {
				s.Stopped = append(s.Stopped, StoppedJail{f.shown(p.host), p.jail, at, bans})
			}
		}
	}
	slices.SortFunc(s.Stopped, func(a, b StoppedJail) int {
		return cmp.Or(strings.Compare(a.Host, b.Host), strings.Compare(a.Jail, b.Jail))
	})
	for _, j := range s.Stopped {
		s.Warnings = append(s.Warnings, j.String())
	}
}

// lastTurn gives whether the jail was last started or stopped, and when; zero is
// that neither is known.
func (f *Fold) lastTurn(p *pair) (running bool, at time.Time) {
	running, at = p.running, p.turned
	for _, pattern := range f.patternsOf(p.pairKey) {
		if pattern.turned.After(at) {
			running, at = pattern.running, pattern.turned
		}
	}
	return running, at
}

func (p *pair) active(now time.Time) int {
	n := 0
	for _, c := range p.claims {
		if !c.overAt(now) {
			n++
		}
	}
	return n
}

// shown gives the name of a host as people know it.
func (f *Fold) shown(host string) string {
	if f.local {
		return ""
	}
	return host
}
