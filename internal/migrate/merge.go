package migrate

import (
	"net/netip"
	"slices"
	"time"

	"reconciler/internal/desired"
)

// Fate is what an import does with a ban.
type Fate string

// The fates.
const (
	Import  Fate = "import"
	Known   Fate = "known"   // the same jail bans it already, to that end or longer
	Lifted  Fate = "lifted"  // it was banned here and lifted since
	Expired Fate = "expired" // it ended while the database was read
)

// Decision is a ban of a database and what becomes of it.
type Decision struct {
	desired.Record
	Until time.Time // zero: permanent
	Fate  Fate
}

// Decide holds bans against what the log wants already, so that a second
// import adds nothing.
func Decide(records []desired.Record, set desired.Set, now time.Time) []Decision {
	have := map[netip.Prefix]desired.Ban{}
	for _, b := range set.Bans {
		have[b.Prefix] = b
	}
	out := make([]Decision, 0, len(records))
	for _, r := range records {
		d := Decision{Record: r, Fate: Import}
		var err error
		if d.Until, err = r.Until(r.Time); err != nil {
			d.Fate = Expired // the reader has checked it, so this cannot be
		}
		b, banned := have[r.Prefix]
		// The script knows no end: a ban of its that is in force is not begun anew.
		sameEnd := !desired.EndsBefore(b.Until, d.Until) || r.Jail == Jail
		switch {
		case !d.Until.IsZero() && !d.Until.After(now):
			d.Fate = Expired
		case banned && slices.Contains(b.Jails, r.Jail) && sameEnd:
			d.Fate = Known
		case !banned && set.Lifted[r.Prefix] != "":
			d.Fate = Lifted
		}
		out = append(out, d)
	}
	return out
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
