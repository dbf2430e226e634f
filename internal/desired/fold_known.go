package desired

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"time"
)

// fresh is how far the time of a record with an id may lie behind the newest
// record for its place to count. Within it a repeat is known by its id: a fold
// remembers those records, and a compaction keeps their lines. Past it the
// first may be forgotten, so the record goes by its time, as recovered content
// does, and a repeat makes no difference.
const fresh = 2 * time.Minute

// maxKnown is how many records are remembered at most; more in so short a time
// go by their times the sooner.
const maxKnown = 1 << 17

// ID is the identity of a record that may be delivered twice: any text. The
// zero ID is none.
type ID string

// newID makes up an id that nobody else has, in the form that earlier releases
// read: a writer and its number.
func newID() ID {
	var random [12]byte
	_, _ = rand.Read(random[:]) // it never fails (crypto/rand)
	return ID(hex.EncodeToString(random[:]) + "-1")
}

// imprint tells records apart by all that is in their lines: the same id in
// another line is another record.
type imprint [16]byte

func imprintOf(rec Record) imprint {
	sum := sha256.Sum256(rec.AppendJSON(nil))
	return imprint(sum[:16])
}

// placed gives the time from which on records with an id go by their places.
func (f *Fold) placed() time.Time { return later(f.newest.Add(-fresh), f.forgot) }

// repeated says that the record, of time t, has been folded.
func (f *Fold) repeated(rec Record) bool {
	if rec.ID == "" {
		return false
	}
	at, ok := f.known[imprintOf(rec)]
	return ok && !at.Before(f.placed())
}

// late says that the record, of time t, may be one that is forgotten.
func (f *Fold) late(rec Record, t time.Time) bool { return rec.ID != "" && t.Before(f.placed()) }

// news says that nothing like the record is known yet.
func (f *Fold) news(rec Record) bool {
	if rec.Time.After(f.newest) {
		return true
	}
	return rec.ID != "" && !rec.Time.IsZero() && !f.late(rec, rec.Time) && !f.repeated(rec)
}

func (f *Fold) remember(rec Record, t time.Time) {
	if rec.ID == "" || t.Before(f.placed()) {
		return
	}
	f.known[imprintOf(rec)] = t
	if len(f.known) >= f.knownDue {
		f.pruneKnown()
	}
}

// pruneKnown drops what goes by its time anyway.
func (f *Fold) pruneKnown() {
	f.dropKnown()
	if len(f.known) > maxKnown {
		times := make([]time.Time, 0, len(f.known))
		for _, at := range f.known {
			times = append(times, at)
		}
		slices.SortFunc(times, time.Time.Compare)
		f.forgot = times[len(times)-maxKnown/2].Add(1)
		f.dropKnown()
	}
	f.knownDue = max(1<<10, 2*len(f.known))
}

func (f *Fold) dropKnown() {
	since := f.placed()
	for p, at := range f.known {
		if at.Before(since) {
			delete(f.known, p)
		}
	}
}
