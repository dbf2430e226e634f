package desired

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// Steps at which a test can let a reading or a compaction die.
const (
	stepFolded  = "lines folded"
	stepSaved   = "snapshot saved"
	stepCut     = "front cut off"
	stepBlanked = "torn head blanked"
)

// Compact saves the state and frees the room of the lines that are in it. The
// log keeps its inode, so writers that have it open go on without a lock. It
// gives the number of bytes that were freed.
//
// The snapshot comes first and tells what is about to be cut; so whatever step
// is the last one, Load finds the place where it has to go on. Whole blocks are
// cut off with FALLOC_FL_COLLAPSE_RANGE (ext4, XFS: fallocate(2)), which moves
// the rest of the file in one step as other processes see it. Where the file
// system cannot, a hole is punched.
func (f *File) Compact(mem Memory, now time.Time) (int64, error) {
	if f.lock == nil {
		return 0, fmt.Errorf("compacting %s: %w", f.Path, ErrNotLocked)
	}
	if f.log == nil {
		return 0, fmt.Errorf("compacting %s: %w", f.Path, ErrUnavailable)
	}
	plan, err := f.planCut()
	if err != nil {
		return 0, fmt.Errorf("compacting %s: %w", f.Path, err)
	}
	if plan == nil {
		return 0, f.SaveSnapshot(mem, now)
	}
	if err := f.save(mem, now, plan); err != nil {
		return 0, err
	}
	if err := f.cut(plan); err != nil {
		return 0, fmt.Errorf("compacting %s: %w", f.Path, err)
	}
	return plan.Bytes, nil
}

// planCut decides what to cut: whole blocks, and never so much that the bytes
// under the cursor's hash could change. Nil is nothing worth it.
func (f *File) planCut() (*intent, error) {
	var st unix.Statfs_t
	if err := unix.Fstatfs(int(f.log.Fd()), &st); err != nil {
		return nil, fmt.Errorf("fstatfs: %w", err)
	}
	block := max(st.Bsize, 1)
	cut := (f.tail.offset - 2*hashWindow) / block * block
	begin, err := unix.Seek(int(f.log.Fd()), 0, unix.SEEK_DATA)
	if err != nil || cut-begin < block {
		return nil, nil //nolint:nilerr // no data at all is nothing to cut
	}
	lines, err := countLines(io.NewSectionReader(f.log, begin, cut-begin))
	if err != nil {
		return nil, err
	}
	torn, err := f.tornAt(cut)
	if err != nil || torn < 0 {
		return nil, err
	}
	return &intent{Bytes: cut, Lines: lines, Torn: torn}, nil
}

func countLines(r io.Reader) (int, error) {
	buffer := make([]byte, readChunk)
	lines := 0
	for {
		n, err := r.Read(buffer)
		lines += bytes.Count(buffer[:n], []byte{'\n'})
		if errors.Is(err, io.EOF) {
			return lines, nil
		}
		if err != nil {
			return 0, err
		}
	}
}

// tornAt gives how many bytes of a line that begins before the cut come after
// it, its newline not counted; -1 if the line is too long to be blanked.
func (f *File) tornAt(cut int64) (int64, error) {
	window := make([]byte, f.tail.offset-hashWindow-cut+1)
	if _, err := f.log.ReadAt(window, cut-1); err != nil {
		return 0, err
	}
	switch end := bytes.IndexByte(window, '\n'); end {
	case -1, 0:
		return int64(end), nil
	default:
		return int64(end) - 1, nil
	}
}

func (f *File) cut(plan *intent) error {
	if err := f.at(stepSaved); err != nil {
		return err
	}
	f.origin = Origin{} // from now on the snapshot holds what the log does not
	f.attest(f.origin)
	log, err := openTrusted(f.Path, unix.O_RDWR)
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }()
	if inode, _, err := inodeOf(log); err != nil || inode != f.inode {
		return errors.Join(err, ErrReplaced)
	}
	head, err := f.free(log, plan)
	if err != nil {
		return err
	}
	if err := log.Sync(); err != nil {
		return err
	}
	if err := f.at(stepCut); err != nil {
		return err
	}
	if err := blank(log, head, plan.Torn); err != nil {
		return err
	}
	return f.at(stepBlanked)
}

// free gives the front of the log back and says where the torn line is now.
func (f *File) free(log *os.File, plan *intent) (int64, error) {
	const punch = unix.FALLOC_FL_PUNCH_HOLE | unix.FALLOC_FL_KEEP_SIZE
	err := fallocate(log, unix.FALLOC_FL_COLLAPSE_RANGE, plan.Bytes)
	if err == nil {
		f.shift(plan)
		return 0, nil
	}
	if !errors.Is(err, unix.EOPNOTSUPP) && !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.ENOSYS) {
		return 0, fmt.Errorf("cutting off its front: %w", err)
	}
	if err := fallocate(log, punch, plan.Bytes); err != nil {
		return 0, fmt.Errorf("punching a hole, which this file system may not support; move the log to ext4 or XFS: %w", err)
	}
	f.shiftLines(plan.Lines)
	return plan.Bytes, nil
}

func fallocate(file *os.File, mode uint32, size int64) error {
	for {
		err := unix.Fallocate(int(file.Fd()), mode, 0, size)
		if !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

// blank overwrites the rest of a line whose beginning was cut off with spaces.
func blank(log *os.File, at, size int64) error {
	if size == 0 {
		return nil
	}
	if _, err := log.WriteAt(bytes.Repeat([]byte{' '}, int(size)), at); err != nil {
		return fmt.Errorf("blanking its torn head: %w", err)
	}
	return log.Sync()
}

// finish blanks what a compaction that died may have left torn. Only the writer
// does so.
func (f *File) finish(at, size int64) error {
	if f.lock == nil || size == 0 {
		return nil
	}
	log, err := openTrusted(f.Path, unix.O_RDWR)
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }()
	if inode, _, err := inodeOf(log); err != nil || inode != f.inode {
		return errors.Join(err, ErrReplaced)
	}
	return blank(log, at, size)
}

func (f *File) at(step string) error {
	if f.step == nil {
		return nil
	}
	return f.step(step)
}
