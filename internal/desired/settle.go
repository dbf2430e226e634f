package desired

import (
	"net/netip"
	"time"
)

// clockSkew is how far the clock of another host may be ahead of ours. A record
// that is further ahead reaches over to other logs only when its time comes: a
// wrong clock must not lift what is banned later.
const clockSkew = 5 * time.Minute

// Settle ends the claims of each fold that another fold lifts for all hosts: an
// unban or a flush that leaves host or jail out. A flush with a delay does not
// reach over: a stop may still take it back. Within a log the order of the
// lines decides; between logs there is none, so a claim ends when the lift is
// later than every record that the claim has met. It goes by what the other folds
// remember, so it finds the same after a crash, and whichever log was read first.
func Settle(now time.Time, folds ...*Fold) {
	if len(folds) < 2 {
		return
	}
	reach := newReach(now)
	for _, f := range folds {
		reach.add(f)
	}
	if reach.empty() {
		return
	}
	for _, f := range folds {
		f.settleBy(reach)
	}
}

// reach is what some logs lift in another one.
type reach struct {
	latest time.Time // lifts past it have no effect yet
	flush  []lift
	unban  map[netip.Prefix][]lift
	v4, v6 [129]bool // the lengths that unban has
}

// lift ends the claims of the pairs that it matches, but for those of its own
// log, where the order of the lines has decided.
type lift struct {
	pairKey
	at   time.Time
	from *Fold
}

// meets says that the lift is about a claim of a fold.
func (l lift) meets(f *Fold, c *claim) bool { return l.from != f && c.pair.matches(l.host, l.jail) }

func newReach(now time.Time) *reach {
	return &reach{latest: now.Add(clockSkew), unban: map[netip.Prefix][]lift{}}
}

func (r *reach) empty() bool { return len(r.flush) == 0 && len(r.unban) == 0 }

// add takes in what a fold lifts.
func (r *reach) add(f *Fold) {
	for key, p := range f.patterns {
		if at := p.flushed; !at.IsZero() && !at.After(r.latest) {
			r.flush = append(r.flush, lift{key, at, f})
		}
		for prefix := range p.tombs {
			if at := f.tombAt(p, prefix); !at.IsZero() && !at.After(r.latest) {
				r.unban[prefix] = append(r.unban[prefix], lift{key, at, f})
				r.lengths(prefix)[prefix.Bits()] = true
			}
		}
	}
}

func (r *reach) lengths(p netip.Prefix) *[129]bool {
	if p.Addr().Is4() {
		return &r.v4
	}
	return &r.v6
}

// of gives when a claim of a fold was last lifted, and how. An unban that names a jail
// means exactly its prefix; any other means all inside it too.
func (r *reach) of(f *Fold, c *claim) (at time.Time, why Reason) {
	why = Flushed
	for _, l := range r.flush {
		if l.meets(f, c) {
			at = later(at, l.at)
		}
	}
	lengths := r.lengths(c.prefix)
	for bits := 1; bits <= c.prefix.Bits(); bits++ {
		if !lengths[bits] {
			continue
		}
		for _, l := range r.unban[netip.PrefixFrom(c.prefix.Addr(), bits).Masked()] {
			exact := bits == c.prefix.Bits()
			if l.at.After(at) && (exact || l.jail == "") && l.meets(f, c) {
				at, why = l.at, Unbanned
			}
		}
	}
	return at, why
}

func (f *Fold) settleBy(r *reach) {
	var over []*claim
	for _, c := range f.sorted() {
		if at, _ := r.of(f, c); at.After(c.known) {
			over = append(over, c)
		}
	}
	for _, c := range over {
		at, why := r.of(f, c)
		f.end(c, at, why)
		f.generation++
	}
}
