package desired

import (
	"net/netip"
	"time"
)

// LastLift gives when a record last lifted what one jail on one host wants for
// a prefix: a restored ban of that time or before has no effect. It is zero
// when none is remembered. It changes nothing.
func (f *Fold) LastLift(host, jail string, prefix netip.Prefix) time.Time {
	key := pairKey{host, jail}
	p := f.pairs[key]
	if p == nil { // what Fold.pair would begin with
		p = newPair(key, new(int))
		for _, pattern := range f.patternsOf(key) {
			p.flushed = later(p.flushed, later(pattern.flushed, pattern.pending.at))
		}
	}
	return f.lastLift(p, prefix)
}
