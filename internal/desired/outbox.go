package desired

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// Outbox is the spool of a log in S3: a file of records that are durable here
// and wait for their delivery. Each has an id of its own, made when its line is
// written, so that the object tells which of them it has. There is nothing else
// in the file: a copy of it that is put back, here or on another machine, holds
// repeats, and what is written behind them is new.
type Outbox struct {
	Path string
	Now  func() time.Time // stamps records that have no time
}

// OutboxPath names the spool of an address in a directory. Two addresses never
// share one.
func OutboxPath(dir string, a Address) string {
	sum := sha256.Sum256([]byte(a.String()))
	return filepath.Join(dir, fmt.Sprintf("spool-%s-%x.jsonl", a.Bucket, sum[:8]))
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

// write leaves behind what it has written when it fails. The records go
// elsewhere then, under other ids; twice does no harm.
func (o *Outbox) write(file *os.File, recs []Record) error {
	var data []byte
	var err error
	for _, r := range identified(recs, o.Now) {
		if data, err = appendChecked(data, r, o.Now); err != nil {
			return err
		}
	}
	return writeLines(file, data)
}

// identified gives the records with what makes each the same wherever it goes:
// an id and a time. Those that have them keep them.
func identified(recs []Record, now func() time.Time) []Record {
	out := slices.Clone(recs)
	for i := range out {
		if out[i].ID == "" {
			out[i].ID = newID()
		}
		if out[i].Time.IsZero() {
			out[i].Time = writable(now())
		}
	}
	return out
}

// appendChecked appends a record as a line. It is parsed again, so that nothing
// that a reader would refuse is ever written, and written as it would be written
// again.
func appendChecked(dst []byte, r Record, now func() time.Time) ([]byte, error) {
	if r.Time.IsZero() {
		r.Time = writable(now())
	}
	start := len(dst)
	dst = r.AppendJSON(dst)
	read, err := ParseRecord(dst[start:])
	if err != nil {
		return nil, fmt.Errorf("record %s: %w", dst[start:], err)
	}
	return append(read.AppendJSON(dst[:start]), '\n'), nil
}

// Pending gives how many bytes of records wait for their delivery.
func (o *Outbox) Pending() (int64, error) {
	batch, err := o.read(1)
	if err != nil || len(batch.records) == 0 {
		return 0, err
	}
	return batch.size - batch.head, nil
}

// batch is what the spool holds, from its beginning.
type batch struct {
	records []Record
	bad     []LineError
	head    int64  // bytes of lines that are no record, before the first one
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
			b.head = b.end
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
		case rec.ID == "":
			place.Err = errNoID
			b.bad = append(b.bad, place)
		default:
			b.records = append(b.records, rec)
		}
	}
}
