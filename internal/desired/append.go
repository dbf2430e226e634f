package desired

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// Spooled tells that records are safe in a spool because the log's file system
// is full, read-only or failing, or S3 cannot be reached. It is a warning and no failure.
type Spooled struct {
	Path  string // the spool
	Cause error  // why the log could not take them
	Until string // what ends their wait; empty: the log can be written again
}

func (s *Spooled) String() string {
	until := "there is room"
	if errors.Is(s.Cause, unix.EIO) {
		until = "the disk works again"
	}
	return fmt.Sprintf("%v; the records wait in %s until %s", s.Cause, s.Path, cmp.Or(s.Until, until))
}

// Append writes records to the end of the log, in one write, and returns when
// they are on disk. Records without a time get the present one. If the file
// system of the log has no room or fails, they go to a spool instead, which the
// running daemon enforces and moves to the log later; Spooled says so.
func (f *File) Append(ctx context.Context, recs ...Record) (*Spooled, error) {
	data, err := f.encode(recs)
	if err != nil || len(data) == 0 {
		return nil, err
	}
	cause := f.appendLog(ctx, data)
	if cause == nil {
		return nil, nil
	}
	cause = fmt.Errorf("appending to %s: %w", f.Path, cause)
	if !unwritable(cause) {
		return nil, cause
	}
	spool := f.spoolPath()
	if err := appendSpool(ctx, spool, data); err != nil {
		return nil, errors.Join(cause, fmt.Errorf("appending to the spool %s: %w", spool, err))
	}
	return &Spooled{Path: spool, Cause: cause}, nil
}

// encode gives the records as lines. Each is parsed again, so that nothing that
// a reader would refuse is ever written.
func (f *File) encode(recs []Record) ([]byte, error) {
	var data []byte
	for _, r := range recs {
		if r.Time.IsZero() {
			r.Time = writable(f.Now())
		}
		start := len(data)
		data = r.AppendJSON(data)
		if _, err := ParseRecord(data[start:]); err != nil {
			return nil, fmt.Errorf("record %s: %w", data[start:], err)
		}
		data = append(data, '\n')
	}
	return data, nil
}

// unwritable says that an error means a full, read-only or failing file system:
// another one may do. After a failed fsync nobody knows what is on the disk, and
// a record that is then in both places does no harm.
func unwritable(err error) bool {
	for _, e := range []error{unix.ENOSPC, unix.EDQUOT, unix.EROFS, unix.EIO, io.ErrShortWrite} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

func (f *File) appendLog(ctx context.Context, data []byte) error {
	log, err := openLocked(ctx, f.Path, openOrCreate)
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }() // which releases the lock; Sync has shown the errors
	// What waits in the spool is older. A spool that cannot be read is for
	// DrainSpool to report; it must not keep this record from the log.
	if _, err := drain(ctx, log, f.spoolPath()); unwritable(err) && !errors.Is(err, errSpoolUnread) {
		return err
	}
	return writeLines(log, data)
}

// writeLines appends whole lines in one write, so that other writers cannot
// come between, and syncs them.
func writeLines(file *os.File, data []byte) error {
	torn, err := endsTorn(file)
	if err != nil {
		return err
	}
	if torn {
		data = append([]byte{'\n'}, data...)
	}
	n, err := writeOnce(int(file.Fd()), data)
	if err != nil {
		return &fs.PathError{Op: "write", Path: file.Name(), Err: err}
	}
	if n < len(data) {
		return &fs.PathError{Op: "write", Path: file.Name(), Err: io.ErrShortWrite}
	}
	return syncFile(file)
}

// syncFile is a variable so that a test can let it fail.
var syncFile = (*os.File).Sync

// writeOnce makes one call of write(2), where os.File.Write may make several.
func writeOnce(fd int, data []byte) (int, error) {
	for {
		n, err := unix.Write(fd, data)
		if !errors.Is(err, unix.EINTR) {
			return n, err
		}
	}
}

// endsTorn says that the file ends in the middle of a line, as a writer leaves
// it that was killed or ran out of room.
func endsTorn(file *os.File) (bool, error) {
	_, size, err := inodeOf(file)
	if err != nil || size == 0 {
		return false, err
	}
	var last [1]byte
	if _, err := file.ReadAt(last[:], size-1); err != nil && !errors.Is(err, io.EOF) {
		return false, err
	}
	return last[0] != '\n', nil
}
