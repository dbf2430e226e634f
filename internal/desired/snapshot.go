package desired

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"strconv"
	"time"

	"reconciler/internal/observed"
)

// Errors of reading a snapshot.
var (
	// ErrSnapshotCorrupt is the cause when a snapshot is cut or damaged.
	ErrSnapshotCorrupt = errors.New("the snapshot is cut or damaged")
	// ErrSnapshotVersion is the cause when a later release wrote the snapshot.
	ErrSnapshotVersion = errors.New("the snapshot was written by a later release; install that release again")
)

const (
	snapshotVersion = 2
	maxSnapshotLine = 16 << 20 // bytes; the header grows with the number of ACLs
)

// Learned is the quota of an ACL and family as a refused create showed it.
type Learned struct {
	Quota int       `json:"quota"`
	At    time.Time `json:"at"`
}

// Memory is what the controller has to remember beside the claims. It is kept
// in the snapshot.
type Memory struct {
	Usages  map[string][]observed.Usage            `json:"usages,omitempty"`  // by ACL: every window and shape that was used
	Learned map[string]map[observed.Family]Learned `json:"learned,omitempty"` // by ACL
	// Metadata is what the instance metadata last said, so that the ranges that it
	// protects are known from the first moment.
	Metadata observed.Metadata `json:"metadata,omitzero"`
	// Shared tells, by ACL, when somebody else was last seen to write into our window.
	Shared map[string]time.Time `json:"shared,omitempty"`
	// Sources are the logs of which a record was ever read, by path.
	Sources map[string]Origin `json:"sources,omitempty"`
}

// cursor is the place up to which a log is folded.
type cursor struct {
	Inode        uint64 `json:"inode"`
	Offset       int64  `json:"offset"`                  // of the first line not folded yet
	Line         int    `json:"line"`                    // how many lines come before it
	Hash         string `json:"hash"`                    // of the bytes before it, at most hashWindow of them
	RecoverUntil int64  `json:"recover_until,omitempty"` // lines that begin before it are folded by their times
}

// intent is a compaction that was begun: the first Bytes of the log may be cut
// off or not, and the Torn bytes after them may be blanked or not.
type intent struct {
	Bytes int64 `json:"bytes"`
	Lines int   `json:"lines"` // how many lines end in them
	Torn  int64 `json:"torn"`
}

// header is the first line of a snapshot.
type header struct {
	Version   int       `json:"snapshot"`
	Saved     time.Time `json:"saved,omitzero"`
	Cursor    cursor    `json:"cursor"`
	Intent    *intent   `json:"intent,omitempty"`
	Paused    bool      `json:"paused,omitempty"`
	PausedAt  time.Time `json:"paused_at,omitzero"`
	Confirmed time.Time `json:"confirmed,omitzero"`
	Newest    time.Time `json:"newest,omitzero"`
	Forgot    time.Time `json:"forgot,omitzero"`
	BadTotal  int       `json:"bad_total,omitempty"`
	// Allowed is no line of its own: a release that does not know it passes it over.
	Allowed []allowance `json:"allowed,omitempty"`
	// Missed is what the log was known by whose snapshot was lost.
	Missed *Origin `json:"missed,omitempty"`
	// Object is the place in a log in S3, instead of Cursor.
	Object *objectCursor `json:"object,omitempty"`
	Memory
}

// snapshot is the state of one log as it is kept on disk.
type snapshot struct {
	header header
	fold   *Fold
	bad    []badLine
}

// badLine is a line that was skipped.
type badLine struct {
	line int
	text string
}

// write gives the snapshot as JSON Lines: the header, a line for each piece of
// the state, and a closing line that a cut file lacks and a damaged one belies.
func (s *snapshot) write(w io.Writer) error {
	s.header.Version = snapshotVersion
	s.header.Paused, s.header.PausedAt = s.fold.paused, s.fold.pausedAt
	s.header.Confirmed, s.header.Newest, s.header.Forgot = s.fold.confirmed, s.fold.newest, s.fold.forgot
	s.header.Allowed = s.fold.exportAllowed()
	first, err := json.Marshal(s.header)
	if err != nil {
		return fmt.Errorf("encoding the header: %w", err)
	}
	out := &lineWriter{to: bufio.NewWriterSize(w, 1<<18), sum: sha256.New()}
	out.put(first)
	s.fold.export(func(e *entry) { out.putEntry(e) })
	for _, b := range s.bad {
		out.putEntry(&entry{kind: kindBad, count: int64(b.line), text: b.text})
	}
	return out.close()
}

// lineWriter writes lines and sums them up. The first error is kept.
type lineWriter struct {
	to    *bufio.Writer
	sum   hash.Hash
	line  []byte
	count int
	err   error
}

func (w *lineWriter) putEntry(e *entry) {
	w.line = e.append(w.line[:0])
	w.put(w.line)
}

func (w *lineWriter) put(line []byte) {
	if w.err != nil {
		return
	}
	line = append(line, '\n')
	w.line = line
	w.count++
	w.sum.Write(line)
	_, w.err = w.to.Write(line)
}

func (w *lineWriter) close() error {
	if w.err != nil {
		return w.err
	}
	closing := fmt.Sprintf("{\"kind\":\"end\",\"count\":%d,\"text\":\"%x\"}\n", w.count, w.sum.Sum(nil))
	if _, err := w.to.WriteString(closing); err != nil {
		return err
	}
	return w.to.Flush()
}

// readSnapshot reads what write wrote. Anything else is ErrSnapshotCorrupt, or
// ErrSnapshotVersion when a later release wrote it.
func readSnapshot(r io.Reader) (*snapshot, error) { return readSnapshotInto(r, NewFold()) }

// readSnapshotInto is readSnapshot into a Fold of no records.
func readSnapshotInto(r io.Reader, f *Fold) (*snapshot, error) {
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 1<<16), maxSnapshotLine)
	s := &snapshot{fold: f}
	sum := sha256.New()
	count, closed := 0, false
	var reader entryReader
	for lines.Scan() {
		line := lines.Bytes()
		if closed {
			return nil, corrupt(count+1, "text after the closing line")
		}
		var err error
		closed, err = s.take(&reader, line, count, sum)
		if errors.Is(err, ErrSnapshotVersion) {
			return nil, err
		}
		if err != nil {
			return nil, corrupt(count+1, err.Error())
		}
		sum.Write(line)
		sum.Write([]byte{'\n'})
		count++
	}
	if errors.Is(lines.Err(), bufio.ErrTooLong) {
		return nil, corrupt(count+1, "the line is too long")
	}
	if lines.Err() != nil {
		return nil, fmt.Errorf("reading: %w", lines.Err())
	}
	if !closed {
		return nil, corrupt(count+1, "the closing line is missing")
	}
	s.fold.imported()
	return s, nil
}

func corrupt(line int, what string) error {
	return fmt.Errorf("line %d: %s: %w", line, what, ErrSnapshotCorrupt)
}

// take reads one line and says whether it is the closing one.
func (s *snapshot) take(reader *entryReader, line []byte, count int, sum hash.Hash) (bool, error) {
	if count == 0 {
		return false, s.readHeader(line)
	}
	e, err := reader.read(line)
	if err != nil {
		return false, err
	}
	switch e.kind {
	case kindEnd:
		if e.count != int64(count) || e.text != hex.EncodeToString(sum.Sum(nil)) {
			return false, errors.New("the checksum is wrong")
		}
		return true, nil
	case kindBad:
		s.bad = append(s.bad, badLine{line: int(e.count), text: e.text})
		return false, nil
	}
	return false, s.fold.restore(e)
}

func (s *snapshot) readHeader(line []byte) error {
	if err := json.Unmarshal(line, &s.header); err != nil {
		return fmt.Errorf("the header is not understood: %s", strconv.Quote(clip(err.Error(), 200)))
	}
	h := &s.header
	if h.Version > snapshotVersion {
		return fmt.Errorf("version %d: %w", h.Version, ErrSnapshotVersion)
	}
	c, i := h.Cursor, h.Intent
	bad := h.Version < 1 || c.Offset < 0 || c.Line < 0 || c.RecoverUntil < 0 ||
		i != nil && (i.Bytes <= 0 || i.Bytes > c.Offset || i.Lines < 0 || i.Torn < 0 || i.Torn > c.Offset-i.Bytes)
	if bad {
		return errors.New("the header contradicts itself")
	}
	for _, t := range []*time.Time{&h.Saved, &h.PausedAt, &h.Confirmed, &h.Newest, &h.Forgot} {
		if !t.IsZero() {
			*t = writable(*t)
		}
	}
	s.fold.paused, s.fold.pausedAt = h.Paused, h.PausedAt
	s.fold.confirmed, s.fold.newest, s.fold.forgot = h.Confirmed, h.Newest, h.Forgot
	return s.fold.restoreAllowed(h.Allowed)
}
