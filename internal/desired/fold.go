package desired

import (
	"errors"
	"fmt"
	"net/netip"
	"time"
)

// ErrNoTime is the cause when a record of a log that was replaced names no
// time: without one it cannot be told whether it is older than what is known.
var ErrNoTime = errors.New("no time, and the log was replaced; append it again with a time")

// Fold is what the records of one source amount to: its claims, and as much of
// the past as later records need. It is pure: only records and the times that
// it is given count, so a replay of the same records gives the same. A Fold
// serves one goroutine; make it with NewFold.
type Fold struct {
	pairs    map[pairKey]*pair
	patterns map[pairKey]*pair // traces of records that left host or jail out; "" is any
	lifted   map[netip.Prefix]lifting
	notes    []note                // unbans under which a wider ban may go on
	known    map[imprint]time.Time // the fresh records that have an id, and their times
	knownDue int                   // how many of them there are when they are pruned
	forgot   time.Time             // before it none is known, however fresh
	servers  map[string]*server    // by host
	local    bool                  // all records are this host's, whatever name they give

	allowed map[netip.Prefix]allowance // what an operator keeps from being banned

	paused    bool
	pausedAt  time.Time // of the last pause or resume
	confirmed time.Time // of the last confirm
	quiet     bool      // what is read now was there before: a confirm in it is over

	newest     time.Time // the latest time of any record: the clock by which traces are dropped
	tombs      int       // how many tombstones there are
	repeats    int       // records that an id showed to be repeats
	generation uint64
	index

	order []*claim  // what claims holds, for whoever needs all of it
	stale bool      // order is not what claims holds
	grown bool      // bound has something to look at
	due   time.Time // when a claim next ends; zero: never
	seen  time.Time // the now that Advance was last given
	since time.Time // since when it has gone on in small steps

	jumped bool // before since; a fold that is new cannot know

	remarks []string // on what was taken otherwise than the last record says
}

// pairKey names the claims that one jail on one host makes.
type pairKey struct{ host, jail string }

// pair is what is known of one jail on one host.
type pair struct {
	pairKey
	holding *int     // how many of its kind hold a claim or a tombstone
	jails   []string // the jail alone, shared by all Bans that only it wants
	claims  map[netip.Prefix]*claim
	tombs   map[netip.Prefix]tomb
	flushed time.Time // of the latest final flush
	last    time.Time // of the latest flush, stop or start; lastOf has those for all pairs too
	made    time.Time // of the newest record when it was first heard of
	pending pending
	trial   pending   // the flush that was called off last, until what it marked is judged
	server  *server   // nil of a pattern
	running bool      // its last stop or start was a start
	turned  time.Time // of that; zero: none is known
	kept    time.Time // of the latest flush that was called off
}

// claim is the wish of one jail on one host to block one prefix.
type claim struct {
	pair     *pair
	prefix   netip.Prefix
	from     time.Time
	until    time.Time // zero: permanent
	keep     time.Time // the latest end it ever had: until then it is remembered
	known    time.Time // the latest time of any record that this claim has met
	born     uint64    // which record made it
	said     uint64    // which record said last that fail2ban holds it
	noted    time.Time // the end of it that is written in lifted; zero: none
	reason   string
	banCount int
}

// pending is a deferred flush that no stop or start has cancelled. It means the
// claims that were there when it came: they need not be touched to be marked.
type pending struct {
	at, deadline time.Time // zero: there is none
	banned       bool      // a ban of the pair came after it
	before       uint64    // the record that made it
	byTime       bool      // it came from a log that was replaced: claims that met later records stay
}

// marks says that the flush, once it has effect, ends the claim.
func (p pending) marks(c *claim) bool {
	return !p.at.IsZero() && c.born < p.before && (!p.byTime || c.known.Before(p.at))
}

// effective says that the flush stood uncancelled past its deadline at time t.
func (p pending) effective(t time.Time) bool { return !p.at.IsZero() && t.After(p.deadline) }

// tomb remembers an unban, so that a replay of an older ban does not revive it.
type tomb struct{ at, keep time.Time }

// lifting is the end of the last claim on a prefix.
type lifting struct {
	reason     Reason
	at         time.Time
	generation uint64
}

// thisHost is the host of every record of a log on this machine. Hosts are
// renamed, and lines are written by hand without a host: the machine is one.
const thisHost = "."

// NewFold gives a Fold of no records, which may be of several hosts.
func NewFold() *Fold {
	return &Fold{
		pairs:    make(map[pairKey]*pair),
		patterns: make(map[pairKey]*pair),
		lifted:   make(map[netip.Prefix]lifting),
		known:    make(map[imprint]time.Time),
		servers:  make(map[string]*server),
		allowed:  make(map[netip.Prefix]allowance),
		index:    newIndex(),
	}
}

// NewLocalFold gives a Fold of no records, for a log on this machine.
func NewLocalFold() *Fold {
	f := NewFold()
	f.local = true
	return f
}

// hostOf gives the host that a record speaks for. An unban that names neither
// host nor jail is an operator's, and for all hosts.
func (f *Fold) hostOf(rec Record) string {
	everywhere := rec.Op == OpUnban && rec.Host == "" && rec.Jail == ""
	if f.local && !everywhere {
		return thisHost
	}
	return rec.Host
}

// Generation changes with every change of the fold. As long as it stays, and
// Set.Next is not reached, the Set stays too.
func (f *Fold) Generation() uint64 { return f.generation }

// Repeats gives how many records were dropped because they were folded before.
func (f *Fold) Repeats() int { return f.repeats }

// Apply folds the next record of the source in. A record without a time counts
// as made at readAt. An error means that the record changed nothing.
func (f *Fold) Apply(rec Record, readAt time.Time) error { return f.apply(rec, readAt, false) }

// ApplyRecovered folds in a record of a log that was replaced or cut while its
// state is still known. Here the times of the records count and not their
// places: a record acts on a claim only when it is later than everything that
// the claim has met. So an older copy of the log lifts no ban and revives no
// unbanned one, while a fresh log is taken whole.
func (f *Fold) ApplyRecovered(rec Record, readAt time.Time) error { return f.apply(rec, readAt, true) }

func (f *Fold) apply(rec Record, readAt time.Time, recovered bool) error {
	f.remarks = f.remarks[:0]
	if rec.Op == OpSeen {
		return nil
	}
	t := f.admit(rec.Time, readAt)
	if t.IsZero() {
		if recovered && rec.Op != OpBan {
			return fmt.Errorf("%s: %w", rec.Op, ErrNoTime)
		}
		t = writable(readAt)
	}
	if f.repeated(rec) {
		f.repeats++
		return nil
	}
	meant := rec
	meant.Host, meant.Written = f.hostOf(rec), f.admit(rec.Written, readAt)
	if err := f.dispatch(meant, t, recovered || f.late(rec, t)); err != nil {
		return err
	}
	f.newest = later(f.newest, t)
	f.remember(rec, t)
	f.bound()
	f.generation++
	return nil
}

func (f *Fold) dispatch(rec Record, t time.Time, recovered bool) error {
	f.records++
	switch rec.Op {
	case OpBan:
		f.ban(rec, t, recovered)
	case OpUnban:
		f.unban(rec, t, recovered)
	case OpFlush:
		f.flush(rec, t, recovered)
	case OpStop, OpStart:
		f.stopOrStart(rec, t, recovered)
	case OpPause, OpResume:
		if !recovered || t.After(f.pausedAt) {
			f.paused = rec.Op == OpPause
			f.pausedAt = later(f.pausedAt, t)
		}
	case OpAllow, OpDisallow:
		f.allow(rec, t, recovered)
	case OpConfirm:
		if !recovered && !f.quiet {
			f.confirmed = t
		}
	default:
		return fmt.Errorf("op %s is not known", quoted(string(rec.Op)))
	}
	return nil
}

// ban makes or renews the claim of a key. A restored ban that is not later than
// the last unban or flush of its key is a replay of what was lifted since.
func (f *Fold) ban(rec Record, t time.Time, recovered bool) {
	until := rec.Until(t)
	if until.IsZero() && rec.Bantime != Permanent {
		f.remarks = append(f.remarks, fmt.Sprintf("bantime %d ends past the year 9999, and the ban is taken as permanent", rec.Bantime))
	}
	jail := rec.Jail
	if jail == "" {
		jail = ManualJail
	}
	p := f.pair(rec.Host, jail, t)
	if rec.Restored {
		f.announce(p, rec, recovered)
	}
	block := f.lastLift(p, rec.Prefix)
	stale := (rec.Restored || recovered) && !t.After(block)
	early := recovered && !t.After(p.pending.at)
	if recovered && (stale || !f.supersedes(p.claims[rec.Prefix], t, until)) {
		f.outlive(p, rec.Prefix, until)
		return
	}
	if !rec.Restored && p.pending.effective(t) {
		f.settle(p)
	}
	if !p.pending.at.IsZero() && !p.pending.banned && !early {
		next := p.pending
		next.banned = true
		f.await(p, next)
	}
	if stale || rec.Restored && !early && !t.After(p.pending.at) {
		return
	}
	next := claim{from: t, until: until, keep: until, known: later(t, block), born: f.records, said: f.records}
	if early {
		next.born, next.said = p.pending.before-1, p.pending.before-1 // as if it had come in time
	}
	f.claim(p, rec, next)
}

// supersedes says that a recovered ban is newer than the claim, or as new and
// prolongs it, as fail2ban's prolonging does.
func (f *Fold) supersedes(c *claim, t, until time.Time) bool {
	if c == nil || f.forgotten(c) || t.After(c.known) {
		return true
	}
	return t.Equal(c.known) && t.Equal(c.from) && EndsBefore(c.until, until)
}

func (f *Fold) claim(p *pair, rec Record, next claim) {
	next.pair, next.prefix = p, rec.Prefix
	next.reason, next.banCount = clip(rec.Reason, maxReason), rec.BanCount
	c := p.claims[rec.Prefix]
	if c == nil {
		c = &claim{pair: p, prefix: rec.Prefix}
		f.insert(c)
	} else if !f.forgotten(c) {
		next.known = later(next.known, c.known)
		next.keep = later(next.keep, c.keepFrom(next.from))
	}
	next.keep = later(next.keep, p.tombs[rec.Prefix].keep)
	*c = next
	end, _ := c.over()
	f.due = sooner(f.due, end)
	f.dropTomb(p, rec.Prefix)
	delete(f.lifted, rec.Prefix)
}

// forgotten says that the newest record is past every end that the claim ever
// had. From then on it counts as unknown, so that it makes no difference when
// it is cleared away.
func (f *Fold) forgotten(c *claim) bool {
	return !c.until.IsZero() && !f.newest.Before(c.keep)
}

// keepFrom gives until when the claim, or its tombstone, must be remembered
// when a record of time t ends or changes it.
func (c *claim) keepFrom(t time.Time) time.Time {
	if c.until.IsZero() {
		return later(c.keep, laterBy(t, keepPermanent))
	}
	return c.keep
}
