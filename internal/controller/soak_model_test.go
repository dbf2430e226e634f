package controller

import (
	"net/netip"
	"time"
)

// permanent is the end of a ban that has none.
var permanent = time.Unix(1<<40, 0)

// soakClaim is the wish of one jail of the simulated fail2ban.
type soakClaim struct {
	from, until time.Time
	bantime     int
	flushAt     time.Time // when a flush that was meant ends it; zero: none
}

// soakModel is what the soak's own script has asked for, by rules so simple
// that they need no proof: a prefix is wanted while a claim of any jail is on.
type soakModel struct {
	jails map[string]map[netip.Prefix]soakClaim
	ended map[netip.Prefix]time.Time // when the last claim on a prefix ended
}

func newSoakModel(jails ...string) *soakModel {
	m := &soakModel{jails: map[string]map[netip.Prefix]soakClaim{}, ended: map[netip.Prefix]time.Time{}}
	for _, j := range jails {
		m.jails[j] = map[netip.Prefix]soakClaim{}
	}
	return m
}

func (c soakClaim) end() time.Time {
	if !c.flushAt.IsZero() && c.flushAt.Before(c.until) {
		return c.flushAt
	}
	return c.until
}

// until gives the end of the ban of exactly this prefix; false: not wanted.
func (m *soakModel) until(p netip.Prefix, now time.Time) (time.Time, bool) {
	var last time.Time
	for _, claims := range m.jails {
		if c, ok := claims[p]; ok && now.Before(c.end()) && c.end().After(last) {
			last = c.end()
		}
	}
	return last, !last.IsZero()
}

// wantedOver says that the prefix, or a wider one around it, is wanted.
func (m *soakModel) wantedOver(p netip.Prefix, now time.Time) bool {
	if _, ok := m.until(p, now); ok {
		return true
	}
	for wide := range m.jails["manual"] { // only operators ban more than an address
		if wide.Bits() < p.Bits() && wide.Contains(p.Addr()) {
			if _, ok := m.until(wide, now); ok {
				return true
			}
		}
	}
	return false
}

// endOver gives when the last wider ban around the prefix ended.
func (m *soakModel) endOver(p netip.Prefix) (last time.Time) {
	for wide, at := range m.ended {
		if !wide.IsSingleIP() && wide.Bits() < p.Bits() && wide.Contains(p.Addr()) {
			last = later(last, at)
		}
	}
	return last
}

// active gives every wanted prefix.
func (m *soakModel) active(now time.Time) map[netip.Prefix]bool {
	out := map[netip.Prefix]bool{}
	for _, claims := range m.jails {
		for p, c := range claims {
			if now.Before(c.end()) {
				out[p] = true
			}
		}
	}
	return out
}

// lift ends claims: of one jail, or of all when it is empty.
func (m *soakModel) lift(jail string, p netip.Prefix, now time.Time) {
	for name, claims := range m.jails {
		if jail != "" && name != jail {
			continue
		}
		for q := range claims {
			if q == p || jail == "" && p.Bits() < q.Bits() && p.Contains(q.Addr()) {
				delete(claims, q)
				m.ended[q] = now
			}
		}
	}
}

// flush ends all claims of one jail at a moment that is to come.
func (m *soakModel) flush(jail string, at time.Time) {
	for p, c := range m.jails[jail] {
		c.flushAt = at
		m.jails[jail][p] = c
	}
}

// sweep forgets claims that have ended, and remembers when.
func (m *soakModel) sweep(now time.Time) {
	for _, claims := range m.jails {
		for p, c := range claims {
			if !now.Before(c.end()) {
				delete(claims, p)
				if c.end().After(m.ended[p]) {
					m.ended[p] = c.end()
				}
			}
		}
	}
	for p, at := range m.ended {
		if now.Sub(at) > 2*time.Hour {
			delete(m.ended, p)
		}
	}
}
