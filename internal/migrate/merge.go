package migrate

import (
	"time"

	"reconciler/internal/desired"
)

// Fate is what an import does with a ban.
type Fate string

// The fates.
const (
	Import  Fate = "import"
	Known   Fate = "known"   // the same jail bans it already, to that end or longer
	Lifted  Fate = "lifted"  // it was lifted here since
	Expired Fate = "expired" // it ended while the database was read
	Refused Fate = "refused" // it would not be enforced here, or is not meant
)

// Decision is a ban of a database and what becomes of it.
type Decision struct {
	desired.Record
	Until time.Time // zero: permanent
	Fate  Fate
}

// Decide holds bans against what the log says, so that a second import adds
// nothing and what was lifted stays lifted.
func Decide(records []desired.Record, folds []*desired.Fold, now time.Time) []Decision {
	out := make([]Decision, 0, len(records))
	for _, r := range records {
		d := Decision{Record: r, Until: r.Until(r.Time), Fate: Import}
		end, banned := endOf(r, folds, now)
		switch {
		case !d.Until.IsZero() && !d.Until.After(now):
			d.Fate = Expired
		// The script knows no end: a ban of its that is in force is not begun anew.
		case banned && (r.Jail == Jail || !desired.EndsBefore(end, d.Until)):
			d.Fate = Known
		case lifted(r, folds):
			d.Fate = Lifted
		}
		out = append(out, d)
	}
	return out
}

// endOf gives the latest end of the ban that is in force for the same jail: one
// that another jail or host wants has an end of its own.
func endOf(r desired.Record, folds []*desired.Fold, now time.Time) (end time.Time, banned bool) {
	for _, f := range folds {
		until, ok := f.End(r.Host, r.Jail, r.Prefix, now)
		if ok && (!banned || desired.EndsBefore(end, until)) {
			end, banned = until, true
		}
	}
	return end, banned
}

// lifted says that the ban was lifted after it was made. When the script made
// its own nobody knows, so any lift that is remembered counts.
func lifted(r desired.Record, folds []*desired.Fold) bool {
	for _, f := range folds {
		if at := f.LastLift(r.Host, r.Jail, r.Prefix); !at.IsZero() && (r.Jail == Jail || !r.Time.After(at)) {
			return true
		}
	}
	return false
}

// ToImport gives the records that are new.
func ToImport(decisions []Decision) []desired.Record {
	var out []desired.Record
	for _, d := range decisions {
		if d.Fate == Import {
			out = append(out, d.Record)
		}
	}
	return out
}
