package desired

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

const (
	spoolMark  = ".spool." // in the name of a spool as a writer
	maxWriter  = 200       // bytes of the host's name in that of a writer
	headerRoom = 64 << 10  // bytes in which the header of a spool is looked for
)

// Outbox is the spool of a log in S3: a file of records that are durable here
// and wait for their delivery. Its first line is a header that names it as a
// writer and gives a number; a record's id is that writer with the number plus
// the record's place in the file. So ids only grow, and an append looks at
// nothing but the header. Records that already have an id keep it.
type Outbox struct {
	Path string
	Host string           // names the writer
	Now  func() time.Time // stamps records that have no time
}

// OutboxPath names the spool of an address in a directory. Two addresses never
// share one.
func OutboxPath(dir string, a Address) string {
	sum := sha256.Sum256([]byte(a.String()))
	return filepath.Join(dir, fmt.Sprintf("spool-%s-%x.jsonl", a.Bucket, sum[:8]))
}

// newWriter makes up a writer's name that nobody else has.
func newWriter(host, mark string) string {
	var random [8]byte
	_, _ = rand.Read(random[:]) // it never fails (crypto/rand)
	return clip(host, maxWriter) + mark + hex.EncodeToString(random[:])
}

// Append puts records at the end, in one write, and returns when they are on
// disk. It waits for no network.
func (o *Outbox) Append(ctx context.Context, recs ...Record) error {
	if len(recs) == 0 {
		return nil
	}
	file, err := openLocked(ctx, o.Path, openOrCreate)
	if err != nil {
		return fmt.Errorf("appending to the spool %s: %w", o.Path, err)
	}
	defer func() { _ = file.Close() }() // which releases the lock; the sync has shown the errors
	if err := o.write(file, recs); err != nil {
		return fmt.Errorf("appending to the spool %s: %w", o.Path, err)
	}
	return nil
}

// write leaves behind what it has written when it fails: somebody may have read
// it, and the next record in its place would take an id that is used. The records
// go elsewhere then, under other ids; twice does no harm.
func (o *Outbox) write(file *os.File, recs []Record) error {
	_, size, err := inodeOf(file)
	if err != nil {
		return err
	}
	data, err := o.encode(file, size, recs)
	if err != nil {
		return err
	}
	return writeLines(file, data)
}

// encode gives records as lines with their ids, behind a header where the file
// has none.
func (o *Outbox) encode(file *os.File, size int64, recs []Record) ([]byte, error) {
	header, err := readHeader(file)
	if err != nil {
		return nil, err
	}
	place := uint64(size) + 1 // a newline may have to end a torn line
	var data []byte
	if header.Writer == "" {
		header = ID{Writer: newWriter(o.Host, spoolMark), Seq: place}
		data = append(headerLine(header, o.Now()), '\n')
	}
	for _, r := range recs {
		if r.ID.Writer == "" {
			r.ID = ID{Writer: header.Writer, Seq: header.Seq + place + uint64(len(data))}
		}
		if data, err = appendChecked(data, r, o.Now); err != nil {
			return nil, err
		}
	}
	return data, nil
}

// appendChecked appends a record as a line. It is parsed again, so that nothing
// that a reader would refuse is ever written.
func appendChecked(dst []byte, r Record, now func() time.Time) ([]byte, error) {
	if r.Time.IsZero() {
		r.Time = writable(now())
	}
	start := len(dst)
	dst = r.AppendJSON(dst)
	if _, err := ParseRecord(dst[start:]); err != nil {
		return nil, fmt.Errorf("record %s: %w", dst[start:], err)
	}
	return append(dst, '\n'), nil
}

func headerLine(id ID, now time.Time) []byte {
	return Record{Op: OpSeen, ID: id, Time: writable(now)}.AppendJSON(nil)
}

// readHeader finds the header; the zero ID is none. A header that a crash tore
// is followed by another.
func readHeader(file io.ReaderAt) (ID, error) {
	head := make([]byte, headerRoom)
	n, err := file.ReadAt(head, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return ID{}, err
	}
	for line := range bytes.Lines(head[:n]) {
		if rec, err := ParseRecord(trimBlank(bytes.TrimSuffix(line, []byte{'\n'}))); err == nil && isHeader(rec) {
			return rec.ID, nil
		}
	}
	return ID{}, nil
}

func isHeader(rec Record) bool {
	return rec.Op == OpSeen && strings.Contains(rec.ID.Writer, spoolMark)
}

// Pending gives how many bytes of records wait for their delivery.
func (o *Outbox) Pending() (int64, error) {
	batch, err := o.read(1)
	if err != nil || len(batch.records) == 0 {
		return 0, err
	}
	return batch.size - batch.header, nil
}

// batch is what the spool holds, from its beginning.
type batch struct {
	records []Record
	bad     []LineError
	header  int64  // bytes of lines that are no record, before the first one
	end     int64  // offset behind the last line that was looked at
	size    int64  // of the file
	sum     []byte // of the bytes before end
}

// read gives at least one record where there is one, and more while they come
// to less than so many bytes.
func (o *Outbox) read(limit int64) (batch, error) {
	var b batch
	file, err := openTrusted(o.Path, unix.O_RDONLY)
	if errors.Is(err, fs.ErrNotExist) {
		return b, nil
	}
	if err != nil {
		return b, fmt.Errorf("reading the spool: %w", err)
	}
	defer func() { _ = file.Close() }()
	var parser Parser
	var t tail
	err = t.read(file, func(line []byte, at int64, number int, tooLong bool) {
		if len(b.records) > 0 && at > limit {
			return
		}
		b.end = at + int64(len(line)) + 1
		b.take(&parser, LineError{Source: o.Path, Line: number}, line, tooLong)
		if len(b.records) == 0 {
			b.header = b.end
		}
	})
	b.size = t.size
	if err == nil {
		b.sum, err = sumBefore(file, b.end)
	}
	if err != nil {
		return b, fmt.Errorf("reading the spool %s: %w", o.Path, err)
	}
	return b, nil
}

// sumBefore sums up all bytes before an offset.
func sumBefore(src io.ReaderAt, end int64) ([]byte, error) {
	sum := sha256.New()
	if _, err := io.Copy(sum, io.NewSectionReader(src, 0, end)); err != nil {
		return nil, err
	}
	return sum.Sum(nil), nil
}

// errNoID is about a line that nobody but a person can have written.
var errNoID = errors.New("a record without an id in the spool, which is passed over; append it with `reconciler ban` and its kin")

func (b *batch) take(p *Parser, place LineError, line []byte, tooLong bool) {
	if line = trimBlank(line); len(line) == 0 && !tooLong {
		return
	}
	rec, err := p.Parse(line)
	if tooLong {
		err = fmt.Errorf("the line is longer than %d bytes", maxLine)
	}
	found := []Record{rec}
	if err != nil {
		found = salvage(p, line)
		place.Err = err
		b.bad = append(b.bad, place)
	}
	for _, rec := range found {
		switch {
		case rec.Op == OpSeen:
		case rec.ID.Writer == "":
			place.Err = errNoID
			b.bad = append(b.bad, place)
		default:
			b.records = append(b.records, rec)
		}
	}
}
