package desired

import (
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// outboxReader is the reading end of a spool.
type outboxReader struct {
	box   *Outbox
	inode uint64
	tail  tail
	lag   int64 // bytes of records that wait for their delivery
	err   error
}

// readOutboxes folds what came into the spools, ahead of its delivery, and says
// whether something waits that was not known to wait.
func (l *objectLog) readOutboxes(now time.Time) (news bool) {
	for _, r := range l.outboxes {
		before := r.lag
		r.err = r.refresh(l, now)
		news = news || r.lag > before
	}
	return news
}

// waiting says that records in a spool are not delivered yet.
func (l *objectLog) waiting() bool {
	for _, r := range l.outboxes {
		if r.lag > 0 {
			return true
		}
	}
	return false
}

// refresh folds the lines that are new in the spool. A spool that was replaced
// after a delivery is read from its beginning: ids tell what is known.
func (r *outboxReader) refresh(l *objectLog, now time.Time) error {
	var st unix.Stat_t
	if err := unix.Lstat(r.box.Path, &st); err != nil {
		r.inode, r.tail, r.lag = 0, tail{}, 0
		if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR) {
			return nil
		}
		return &os.PathError{Op: "lstat", Path: r.box.Path, Err: err}
	}
	if st.Ino == r.inode && st.Size == r.tail.size {
		return nil
	}
	file, err := openTrusted(r.box.Path, unix.O_RDONLY)
	if err != nil {
		return fmt.Errorf("reading the spool: %w", err)
	}
	defer func() { _ = file.Close() }()
	inode, size, err := inodeOf(file)
	if err != nil {
		return err
	}
	if inode != r.inode || size < r.tail.offset {
		r.inode, r.tail, r.lag = inode, tail{}, 0
	}
	return r.tail.read(file, func(line []byte, _ int64, number int, tooLong bool) {
		r.take(l, LineError{Source: r.box.Path, Line: number}, line, tooLong, now)
	})
}

func (r *outboxReader) take(l *objectLog, place LineError, line []byte, tooLong bool, now time.Time) {
	var b batch
	b.take(&l.intake.parser, place, line, tooLong)
	l.intake.remarks.take(place, l.intake.parser.remarks)
	for _, bad := range b.bad {
		l.intake.report(bad, bad.Err)
	}
	for _, rec := range b.records {
		r.lag += int64(len(line)) + 1
		l.intake.record(place, rec, byLine, now)
	}
}
