package desired

import "time"

// confirmFor is how long a confirm has an effect. It is an operator's answer to a
// report, and none to what is reported later.
const confirmFor = 5 * time.Minute

// newConfirm gives a confirm the moment of its reading when it names one that is
// still to come.
func newConfirm(rec Record, readAt time.Time) Record {
	if rec.Op == OpConfirm && rec.Time.After(readAt) {
		rec.Time = writable(readAt)
	}
	return rec
}

// goneOn drops a confirm that a snapshot brings: it is an event and no state.
func (f *Fold) goneOn() *Fold {
	f.confirmed = time.Time{}
	return f
}

// Confirms says whether the last confirm lets through at now what was reported
// first at the given time. It counts for a while, and only for what came before
// it. Whole seconds, as a shell writes them, mean all of their second.
func (s Set) Confirms(reported, now time.Time) bool {
	if s.Confirmed.IsZero() {
		return false
	}
	// By the wall alone: a monotonic clock does not show that it was set.
	at, reported, now := s.Confirmed.Round(0), reported.Round(0), now.Round(0)
	if now.Before(at) || now.Sub(at) > confirmFor {
		return false
	}
	if at.Nanosecond() == 0 {
		at = at.Add(time.Second - 1)
	}
	return !reported.After(at)
}
