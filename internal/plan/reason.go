package plan

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"reconciler/internal/desired"
	"reconciler/internal/observed"
)

// names says that our records know the prefix at this IPv6 width: a claim
// stands for it, or a lifted prefix whose removal is not confirmed.
func (w *Want) names(p netip.Prefix, width int) bool {
	if _, ok := search(w.set.Bans, p); ok {
		return true
	}
	if _, ok := w.set.Lifted[p]; ok {
		return true
	}
	if width <= 0 || p.Addr().Is4() || p.Bits() != width {
		return false
	}
	_, lifted := w.liftedInside(p)
	return lifted || len(within(w.set.Bans, p)) > 0
}

// noRecord is why a removal is withheld of which no record tells.
const noRecord = "no record says why it should go"

// reason says why a prefix that is enforced is not wanted (any more), with
// words for the reader; false when no record explains it. That the sources that
// are known want it no longer is no reason while there are others.
func (w *Want) reason(p netip.Prefix, now time.Time) (desired.Reason, string, bool) {
	reason, why, ok := w.recorded(p, now)
	if !ok {
		return "", noRecord, false
	}
	if w.incomplete() && reason != desired.Paused && reason != desired.Protected && !w.set.Everywhere[p] {
		return "", fmt.Sprintf("%s, but %s may want it, of which not all is known", why, w.set.Unknown[0]), false
	}
	return reason, why, true
}

// recorded is the same with all sources taken for known.
func (w *Want) recorded(p netip.Prefix, now time.Time) (desired.Reason, string, bool) {
	if w.set.Paused {
		return desired.Paused, "paused", true
	}
	if why, refused := w.guard.refuses(observed.Widen(p, w.width)); refused {
		return desired.Protected, "protected: it " + why, true
	}
	if r := w.set.Lifted[p]; r != "" {
		return r, string(r), true
	}
	if i, ok := search(w.set.Bans, p); ok {
		return w.claimReason(w.set.Bans[i], now)
	}
	if p.Addr().Is4() {
		return "", "", false
	}
	return w.widthReason(p, now)
}

// claimReason says why a ban that the log asks for is not enforced as it is.
func (w *Want) claimReason(b desired.Ban, now time.Time) (desired.Reason, string, bool) {
	if over(b, now) {
		return desired.Expired, string(desired.Expired), true
	}
	if wider, ok := w.find(observed.Widen(b.Prefix, w.width), now); ok {
		return desired.Covered, fmt.Sprintf("covered by %s", wider.Prefix), true
	}
	return "", "", false
}

// widthReason explains an IPv6 entry that stands for narrower bans, because
// this or another --ipv6-prefix had widened them.
func (w *Want) widthReason(p netip.Prefix, now time.Time) (desired.Reason, string, bool) {
	inside := within(w.set.Bans, p)
	if slices.ContainsFunc(inside, func(b desired.Ban) bool { return !over(b, now) }) {
		return desired.Config, fmt.Sprintf("IPv6 bans are no longer widened to /%d", p.Bits()), true
	}
	if len(inside) > 0 {
		return desired.Expired, string(desired.Expired), true
	}
	if r, ok := w.lifted(p); ok {
		return r, string(r), true
	}
	return "", "", false
}

// lifted gives the reason that is on record for a lifted prefix, as it is or
// widened.
func (w *Want) lifted(p netip.Prefix) (desired.Reason, bool) {
	r, ok := w.set.Lifted[p]
	if !ok && !p.Addr().Is4() {
		r, _ = w.liftedInside(p)
	}
	return r, r != ""
}

// liftedInside gives the reason of the first lifted IPv6 prefix inside p.
func (w *Want) liftedInside(p netip.Prefix) (desired.Reason, bool) {
	i, _ := slices.BinarySearchFunc(w.lifted6, p, observed.Compare)
	if i == len(w.lifted6) || !observed.Contains(p, w.lifted6[i]) {
		return "", false
	}
	return w.set.Lifted[w.lifted6[i]], true
}
