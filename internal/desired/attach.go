package desired

import (
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// attach takes an opened log and reads it from the place up to which the state
// holds it. If the bytes before that place are not the same, the log was
// replaced.
func (f *File) attach(log *os.File, now time.Time) error {
	inode, size, err := inodeOf(log)
	if err != nil {
		_ = log.Close()
		return f.unavailable(err)
	}
	f.log, f.inode, f.unread = log, inode, false
	known, err := f.findPlace()
	if err != nil {
		return f.unavailable(err)
	}
	if !known {
		return f.recover(size, now)
	}
	f.start = cursor{Offset: f.tail.offset, Hash: f.hash}
	if f.tail.offset == 0 {
		f.passHole()
	}
	return f.read(now)
}

// findPlace says whether the log goes on where the state ends. After a
// compaction of which it is not known how far it came, that is one of two
// places; the earlier one is looked at first, for reading a line twice is
// harmless.
func (f *File) findPlace() (bool, error) {
	if i := f.intent; i != nil {
		cut, err := matches(f.log, f.tail.offset-i.Bytes, f.hash)
		if err != nil {
			return false, err
		}
		if cut {
			f.intent = nil
			f.shift(i)
			return true, f.finish(0, i.Torn)
		}
	}
	if f.tail.offset == 0 {
		return true, nil
	}
	same, err := matches(f.log, f.tail.offset, f.hash)
	if err != nil || !same || f.intent == nil {
		return same, err
	}
	i := f.intent
	f.intent = nil
	if !f.blankAt(i.Bytes-1, 0) {
		return true, nil // nothing was cut yet
	}
	f.shiftLines(i.Lines)
	return true, f.finish(i.Bytes, i.Torn)
}

// recover folds a log whose beginning is not what it was, from its start. All
// that is in it now is ordered by its times; what is appended from now on is
// in order again.
func (f *File) recover(size int64, now time.Time) error {
	f.incident = fmt.Sprintf("log %s is not the one that was read before: it was replaced, cut or rewritten; "+
		"the bans of before are kept, and to lift them: reconciler unban -- PREFIX", f.Path)
	f.tail, f.origin = tail{}, Origin{}
	f.hash, f.intent = "", nil
	f.recoverUntil = size
	f.bad, f.torn = nil, tornLine{}
	f.start = cursor{}
	f.passHole()
	if err := f.read(now); err != nil {
		return err
	}
	return fmt.Errorf("%s: %w", f.Path, ErrReplaced)
}

// passHole starts at the first data of the log; what was compacted away is a
// hole where the file system cannot cut. Without a snapshot, that is a warning.
func (f *File) passHole() {
	if offset, err := unix.Seek(int(f.log.Fd()), 0, unix.SEEK_DATA); err == nil {
		f.tail.offset = offset
	}
	if f.snapID.Ino == 0 && (f.blankAt(0, ' ') || f.blankAt(0, 0)) {
		f.warn("log %s was compacted, but its snapshot %s is missing: bans that were in it are not known; put it back if you can",
			f.Path, f.snapPath())
	}
}

// blankAt says that the log has a certain byte at an offset: a space where a
// torn line was blanked, or a NUL in a hole.
func (f *File) blankAt(offset int64, blank byte) bool {
	var found [1]byte
	n, err := f.log.ReadAt(found[:], offset)
	return err == nil && n == 1 && found[0] == blank
}

// steady says that no compaction moved the log while a process without the lock
// read it: the snapshot is still the one that was read, and the bytes before
// the place where reading began are still there.
func (f *File) steady() bool {
	var st unix.Stat_t
	if err := unix.Lstat(f.snapPath(), &st); err != nil {
		st = unix.Stat_t{}
	}
	if st.Ino != f.snapID.Ino || st.Mtim != f.snapID.Mtim || st.Size != f.snapID.Size {
		return false
	}
	if f.log == nil {
		return true
	}
	same, err := matches(f.log, f.start.Offset, f.start.Hash)
	return err != nil || same || f.start.Offset == 0
}

// read folds the complete lines from the tail's place on. The place and its hash
// change together: after an error the same lines are read again, which is
// harmless, while a place with another's hash would look like a replaced log.
func (f *File) read(now time.Time) error {
	before := f.tail
	more, err := f.tail.readPortion(f.log, func(line []byte, at int64, number int, tooLong bool) {
		f.take(LineError{Source: f.Path, Line: number}, line, tooLong, at < f.recoverUntil, now)
	}, f.portion())
	if err == nil {
		err = f.at(stepFolded)
	}
	size := f.tail.size
	if err == nil && more {
		_, size, err = inodeOf(f.log)
	}
	var hash string
	if err == nil {
		hash, err = hashBefore(f.log, f.tail.offset)
	}
	if err != nil {
		f.tail = before
		return f.unavailable(err)
	}
	f.hash, f.tail.size = hash, size
	if f.behind = f.tail.offset < size && more; !f.behind {
		f.watchTorn(now)
	}
	return nil
}

func (f *File) portion() (enough func() bool) {
	if f.Portion == nil || f.lock == nil {
		return func() bool { return false }
	}
	return f.Portion()
}

// readSpool folds the lines that wait for room in the log. They come after all of
// its lines, as they will when they are moved.
func (f *File) readSpool(now time.Time) error {
	if f.behind {
		return nil
	}
	path := f.findSpool(now)
	var st unix.Stat_t
	if err := unix.Lstat(path, &st); err != nil {
		f.spool = spool{}
		if err == unix.ENOENT || err == unix.ENOTDIR {
			return nil
		}
		return fmt.Errorf("spool %s: %w", path, err)
	}
	file, err := openTrusted(path, unix.O_RDONLY)
	if err != nil {
		return fmt.Errorf("spool: %w", err)
	}
	defer func() { _ = file.Close() }()
	same, err := matches(file, f.spool.tail.offset, f.spool.hash)
	if err != nil {
		return fmt.Errorf("reading the spool %s: %w", path, err)
	}
	if !same {
		f.spool = spool{}
	}
	f.behind, err = f.spool.tail.readPortion(file, func(line []byte, _ int64, number int, tooLong bool) {
		f.take(LineError{Source: path, Line: number}, line, tooLong, false, now)
	}, f.portion())
	if err != nil {
		return fmt.Errorf("reading the spool %s: %w", path, err)
	}
	f.spool.hash, err = hashBefore(file, f.spool.tail.offset)
	return err
}

// shift moves the place in the log after a cut at its front.
func (f *File) shift(i *intent) {
	f.tail.offset -= i.Bytes
	f.tail.size -= i.Bytes
	f.recoverUntil = max(0, f.recoverUntil-i.Bytes)
	if !f.torn.since.IsZero() {
		f.torn.at -= i.Bytes
	}
	f.start.Offset = max(0, f.start.Offset-i.Bytes)
	f.shiftLines(i.Lines)
}

// shiftLines gives lines their numbers in the file as it is now; reports of
// lines that are gone go with them.
func (f *File) shiftLines(lines int) {
	f.tail.line = max(0, f.tail.line-lines)
	kept := f.bad[:0]
	for _, b := range f.bad {
		if b.Source == f.Path {
			b.Line -= lines
		}
		if b.Line > 0 {
			kept = append(kept, b)
		}
	}
	f.bad = kept
}
