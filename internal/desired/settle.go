package desired

import (
	"net/netip"
	"time"
)

// Settle ends the claims of each fold that another fold lifts for all hosts: only
// an unban that names neither host nor jail does, which is an operator's. Within
// a log the order of the lines decides; between logs there is none, so a claim
// ends when the unban is later than every record that the claim has met, and once
// its time has come: a wrong clock must not lift what is banned later. It goes by
// what the other folds remember, so it finds the same after a crash, and whichever
// log was read first.
func Settle(now time.Time, folds ...*Fold) {
	if len(folds) < 2 {
		return
	}
	reach := newReach(now)
	for _, f := range folds {
		reach.add(f)
	}
	if len(reach.unban) == 0 {
		return
	}
	for _, f := range folds {
		f.settleBy(reach)
	}
}

// reach is what the logs lift in one another: when each prefix was unbanned.
type reach struct {
	now    time.Time // what is later has no effect yet
	unban  map[netip.Prefix]unbans
	v4, v6 [129]bool // the lengths that unban has
}

// unbans are the latest unban of a prefix in any log, and the latest in another
// log than that: a log's own lifts are settled by the order of its lines.
type unbans struct {
	latest, other time.Time
	from          *Fold // of the latest
}

func newReach(now time.Time) *reach {
	return &reach{now: now, unban: map[netip.Prefix]unbans{}}
}

// add takes in what a fold lifts; each fold once.
func (r *reach) add(f *Fold) {
	p := f.patterns[pairKey{}]
	if p == nil {
		return
	}
	for prefix := range p.tombs {
		at := f.tombAt(p, prefix)
		if at.IsZero() || at.After(r.now) {
			continue
		}
		u := r.unban[prefix]
		if at.After(u.latest) {
			u = unbans{latest: at, other: u.latest, from: f}
		} else {
			u.other = later(u.other, at)
		}
		r.unban[prefix] = u
		r.lengths(prefix)[prefix.Bits()] = true
	}
}

func (r *reach) lengths(p netip.Prefix) *[129]bool {
	if p.Addr().Is4() {
		return &r.v4
	}
	return &r.v6
}

// of returns when another log last lifted a claim of a fold, with its prefix or
// one around it.
func (r *reach) of(f *Fold, c *claim) (at time.Time) {
	lengths := r.lengths(c.prefix)
	for bits := 1; bits <= c.prefix.Bits(); bits++ {
		if !lengths[bits] {
			continue
		}
		u := r.unban[netip.PrefixFrom(c.prefix.Addr(), bits).Masked()]
		if u.from == f {
			u.latest = u.other
		}
		at = later(at, u.latest)
	}
	return at
}

func (f *Fold) settleBy(r *reach) {
	var over []*claim
	for _, c := range f.sorted() {
		if r.of(f, c).After(c.known) {
			over = append(over, c)
		}
	}
	for _, c := range over {
		f.end(c, r.of(f, c), Unbanned)
		f.generation++
	}
}
