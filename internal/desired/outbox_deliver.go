package desired

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
)

// deliverBytes is how much of a spool goes into one write of an object.
const deliverBytes = 4 << 20

// Deliver moves the records that wait in the spool to the end of an object, in
// order, and gives the object as it is then; without a tag nothing was to be done.
// What comes meanwhile may stay for the next time: a writer who never rests must
// not keep the caller from its other work. The spool
// is cut only once the object has the records, and the object tells by their ids
// which of them it has: so a death between any two steps loses and doubles
// nothing.
func (o *Outbox) Deliver(ctx context.Context, b Bucket, key string) (Object, error) {
	var last Object
	waiting, err := o.Pending()
	if err != nil || waiting == 0 {
		return last, err
	}
	turn, err := openLocked(ctx, o.Path+".deliver", openOrCreate)
	if err != nil {
		return last, fmt.Errorf("delivering the spool %s: %w", o.Path, err)
	}
	defer func() { _ = turn.Close() }() // which gives the turn to the next
	for waiting > 0 {
		batch, err := o.read(deliverBytes)
		if err != nil || len(batch.records) == 0 {
			return last, err
		}
		written, err := b.Append(ctx, key, batch.records)
		if err != nil {
			return last, fmt.Errorf("delivering the spool %s: %w", o.Path, err)
		}
		last = written.Object
		if err := o.drop(ctx, batch); err != nil {
			return last, fmt.Errorf("shortening the spool %s, whose records are delivered: %w", o.Path, err)
		}
		waiting -= batch.end - batch.head
	}
	return last, nil
}

// drop takes what was delivered out of the spool. Appends wait for the lock
// meanwhile, and then find the new file. Where other bytes are in its place by
// now, nothing is cut: what is there comes next, and ids tell what the object has.
func (o *Outbox) drop(ctx context.Context, done batch) error {
	file, err := openLocked(ctx, o.Path, openTrusted)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	if sum, err := sumBefore(file, done.end); err != nil || !bytes.Equal(sum, done.sum) {
		return err
	}
	_, size, err := inodeOf(file)
	if err != nil {
		return err
	}
	return replaceFile(o.Path, func(w io.Writer) error {
		_, err := io.Copy(w, io.NewSectionReader(file, done.end, size-done.end))
		return err
	})
}

// sweep removes what a killed delivery left beside the spool.
func (o *Outbox) sweep() { SweepPending(o.Path) }

// Outboxes are the spools of one address, in the order in which their records
// were made: the second is for a full, read-only or failing disk.
type Outboxes []*Outbox

// Append writes to the first spool, or to the second while that has records
// or the first has no room: so the order of the records stays.
func (s Outboxes) Append(ctx context.Context, recs ...Record) (*Spooled, error) {
	if waiting, _ := s[1].Pending(); waiting > 0 {
		return nil, s[1].Append(ctx, recs...)
	}
	cause := s[0].Append(ctx, recs...)
	if cause == nil || !unwritable(cause) && !errors.Is(cause, fs.ErrPermission) {
		return nil, cause
	}
	if err := s[1].Append(ctx, recs...); err != nil {
		return nil, errors.Join(cause, err)
	}
	return &Spooled{Path: s[1].Path, Cause: cause}, nil
}

// Pending gives how many bytes of records wait for their delivery.
func (s Outboxes) Pending() (int64, error) {
	var sum int64
	var errs []error
	for _, o := range s {
		n, err := o.Pending()
		sum += n
		errs = append(errs, err)
	}
	return sum, errors.Join(errs...)
}

// Deliver empties the spools one after the other.
func (s Outboxes) Deliver(ctx context.Context, b Bucket, key string) (Object, error) {
	var last Object
	for _, o := range s {
		object, err := o.Deliver(ctx, b, key)
		if object.Tag != "" {
			last = object
		}
		if err != nil {
			return last, err
		}
	}
	return last, nil
}
