package desired

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// compactionID begins the id of the mark that a compaction begins with. What
// follows is its number, one more than that of the compaction before.
const compactionID = "compaction-"

// objectLog is the log in one object: what it amounts to, and how far it was
// read. It does not touch the network.
type objectLog struct {
	key  string
	host string // that writes it, and speaks for itself alone; empty: shared
	self string // this host
	name string // for people

	intake   intake
	memory   Memory
	cursor   objectCursor
	gone     bool   // the store has said that there is no such object
	rejected string // the tag of content that is older than what is known
	incident string
	err      error
	delivery error // of the last attempt to empty the spools
	outboxes []*outboxReader
}

// objectCursor is how far an object was read. It is kept in the snapshot.
type objectCursor struct {
	Name       string    `json:"name"`
	Tag        string    `json:"tag"`
	Size       int64     `json:"size"`   // bytes
	Offset     int64     `json:"offset"` // behind the last complete line
	Lines      int       `json:"lines"`
	Hash       string    `json:"hash"` // of the bytes before Offset
	Generation uint64    `json:"generation,omitempty"`
	Read       time.Time `json:"read,omitzero"`
}

func newObjectLog(a Address, key, self string) *objectLog {
	l := &objectLog{key: key, self: self, name: a.name(key)}
	l.cursor.Name = l.name
	if a.PerHost() {
		l.host, _ = a.hostOf(key)
	}
	l.intake = intake{fold: NewFold(), admit: l.admit, quiet: true}
	return l
}

// errOtherHost is about a record that speaks for another host than the one
// whose object it is in.
var errOtherHost = errors.New("it names another host than the one that writes this object")

// admit decides for whom a record speaks. In an object of its own a host speaks
// for itself, whatever the record says; only an unban that names neither host nor
// jail is for all. A pause or confirm that names a host is for that host, and an
// allow is for none but the host that it names.
func (l *objectLog) admit(rec *Record) error {
	everyone := rec.Host == "" && rec.Jail == "" && rec.Op == OpUnban
	if l.host != "" && rec.Op != OpSeen && !everyone {
		if rec.Host != "" && rec.Host != l.host && rec.Op != OpBan {
			return fmt.Errorf("%s of host %s: %w", rec.Op, quoted(rec.Host), errOtherHost)
		}
		rec.Host = l.host
	}
	switch rec.Op {
	case OpPause, OpResume, OpConfirm:
		if rec.Host != "" && rec.Host != l.self {
			return errSkip
		}
	case OpAllow, OpDisallow: // who is let past this host's bans is said on this host
		if rec.Host != l.self {
			return errSkip
		}
	}
	return nil
}

// take folds the content of the object. Content that goes on where the known
// one ended is folded in order, and so is what is new in a compacted one: it
// keeps the order of the lines. Any other goes by the times of its records.
func (l *objectLog) take(o Object, now time.Time) {
	if o.Tag == l.cursor.Tag && o.Tag != "" {
		l.confirm(now)
		return
	}
	kind := l.judge(o.Body)
	if kind == older {
		l.fold(o, objectCursor{}, byTime, now) // a record that came late counts all the same
		l.rejected = o.Tag
		l.err = fmt.Errorf("%s is older than what was read before, or cut short; put back its latest version, or go on: "+
			"new records are taken: %w", l.name, ErrUnavailable)
		return
	}
	from := l.cursor
	if kind != appended {
		from = objectCursor{}
		l.intake.bad = nil
	}
	if kind == compacted {
		l.incident = ""
	}
	if kind == replaced {
		l.incident = fmt.Sprintf("%s is not the log that was read before: the bans of before are kept, "+
			"and to lift them: reconciler unban -- PREFIX", l.name)
	}
	l.intake.quiet = from.Tag == "" // all of it is read for the first time
	l.read(o, from, l.orderOf(kind), now)
	l.intake.quiet = false
	l.confirm(now)
}

func (l *objectLog) orderOf(kind content) ordering {
	switch {
	// What waits in the spool is folded already, though it comes later in the
	// object: what others write meanwhile is put in its place by its time.
	case kind == replaced || l.waiting():
		return byTime
	case kind == compacted:
		return byID
	}
	return byLine
}

func (l *objectLog) read(o Object, from objectCursor, order ordering, now time.Time) {
	t := l.fold(o, from, order, now)
	l.cursor = objectCursor{
		Name: l.name, Tag: o.Tag, Size: int64(len(o.Body)), Offset: t.offset, Lines: t.line,
		Hash: hashOf(o.Body[:t.offset]), Generation: generationOf(o.Body),
	}
}

// fold takes what lies behind a place, and gives the place that was come to.
func (l *objectLog) fold(o Object, from objectCursor, order ordering, now time.Time) tail {
	readAt := now
	if !o.Modified.IsZero() && o.Modified.Before(now) {
		readAt = o.Modified
	}
	t := tail{offset: from.Offset, line: from.Lines}
	// Reading from memory cannot fail.
	_ = t.read(bytes.NewReader(o.Body), func(line []byte, _ int64, number int, tooLong bool) {
		l.intake.line(LineError{Source: l.name, Line: number}, line, tooLong, order, readAt)
	})
	return t
}

// confirm says that the object was found as it is known.
func (l *objectLog) confirm(now time.Time) {
	l.cursor.Read, l.err, l.rejected = now, nil, ""
}

// same takes the answer that the object still has the tag that was asked for.
func (l *objectLog) same(now time.Time) {
	if l.rejected == "" {
		l.confirm(now)
	}
}

// fail takes an error of reading the object. Its bans stay.
func (l *objectLog) fail(err error) {
	if !errors.Is(err, ErrNoObject) {
		l.err = fmt.Errorf("reading %s: %w: %w", l.name, err, ErrUnavailable)
		return
	}
	l.err, l.gone = nil, true
	if l.cursor.Tag != "" {
		l.err = fmt.Errorf("%s is missing; put it back, or go on with a new one: reconciler ban makes it: %w", l.name, ErrUnavailable)
	}
}

// unless gives the tag that a new reading need not bring again.
func (l *objectLog) unless() string {
	if l.rejected != "" {
		return l.rejected
	}
	return l.cursor.Tag
}

// content says how content stands to what is known.
type content int

const (
	appended  content = iota // goes on where the known content ended
	compacted                // somebody made it smaller
	replaced                 // something else, with news in it
	older                    // nothing new, and not all that is known
)

func (l *objectLog) judge(body []byte) content {
	known := l.cursor.Offset
	if int64(len(body)) >= known && (known == 0 || hashOf(body[:known]) == l.cursor.Hash) {
		return appended
	}
	if generationOf(body) > l.cursor.Generation {
		return compacted
	}
	if l.hasNews(body) {
		return replaced
	}
	return older
}

// hasNews says that the content has a record that is not known.
func (l *objectLog) hasNews(body []byte) bool {
	for line := range bytes.Lines(body) {
		rec, err := l.intake.parser.Parse(trimBlank(bytes.TrimSuffix(line, []byte{'\n'})))
		if err != nil || rec.Op == OpSeen || l.admit(&rec) != nil {
			continue
		}
		if l.intake.fold.news(rec) {
			return true
		}
	}
	return false
}

// compactionMark is the first line of a compaction. No other has the same, for
// equal bytes would have an equal ETag.
func compactionMark(generation uint64, now time.Time) []byte {
	id := ID(compactionID + strconv.FormatUint(generation, 10))
	mark := Record{Op: OpSeen, ID: id, Time: now}.AppendJSON(nil)
	return append(appendTextField(mark[:len(mark)-1], "nonce", string(newID())), '}')
}

// generationOf gives the number of the compaction that made the content; 0 is none.
func generationOf(body []byte) uint64 {
	first, _, _ := bytes.Cut(body, []byte{'\n'})
	rec, err := ParseRecord(trimBlank(first))
	number, ours := strings.CutPrefix(string(rec.ID), compactionID)
	if err != nil || rec.Op != OpSeen || !ours {
		return 0
	}
	generation, err := strconv.ParseUint(number, 10, 64)
	if err != nil {
		return 0
	}
	return generation
}

func hashOf(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}
