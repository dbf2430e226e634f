package desired

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/renameio/v2"
	"golang.org/x/sys/unix"
)

// Errors of the writer's lock.
var (
	// ErrLocked is the cause when another process is the writer of a log's snapshot.
	ErrLocked = errors.New("another reconciler works on this log; stop it first, or let it do the work")
	// ErrNotLocked is the cause when a process writes without the lock.
	ErrNotLocked = errors.New("the lock of the log is not held")
)

var errTorn = errors.New("the last line has no newline; it is taken once it is complete, or append a newline")

func (f *File) snapPath() string { return f.Path + ".snap" }

// Lock makes this process the only one that writes the snapshot and compacts
// the log. It makes the directory of the log where that is missing.
func (f *File) Lock() (release func(), err error) {
	file, err := openLock(f.snapPath() + ".lock")
	if err != nil {
		return nil, fmt.Errorf("locking %s: %w", f.Path, err)
	}
	if err := unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		_ = file.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			err = ErrLocked
		}
		return nil, fmt.Errorf("locking %s: %w", f.Path, err)
	}
	f.lock = file
	f.sweep()
	return func() {
		_ = file.Close() // which unlocks; nothing was written to it
		f.lock = nil
	}, nil
}

// openLock opens the file that is locked. On a disk that cannot be written the
// bans that are on it must be enforced all the same: there the file is opened
// as it is, or, where nobody has made it yet, its directory serves.
func openLock(path string) (*os.File, error) {
	file, err := openOrCreate(path, unix.O_RDWR)
	if err == nil || !unwritable(err) {
		return file, err
	}
	file, readErr := openTrusted(path, unix.O_RDONLY)
	if errors.Is(readErr, fs.ErrNotExist) {
		file, readErr = openDir(filepath.Dir(path))
	}
	if readErr != nil {
		return nil, err
	}
	return file, nil
}

// sweep removes what a killed writer left of a snapshot. A failure does no harm.
func (f *File) sweep() {
	SweepPending(f.snapPath())
	SweepPending(f.HeldPath())
}

// SweepPending removes what killed writers left of the file at path, which they
// meant to replace in one step. A failure does no harm.
func SweepPending(path string) {
	dir, prefix := filepath.Dir(path), "."+filepath.Base(path)
	entries, err := os.ReadDir(dir)
	if err != nil {
		return
	}
	for _, e := range entries {
		digits, ok := strings.CutPrefix(e.Name(), prefix)
		if ok && digits != "" && strings.Trim(digits, "0123456789") == "" {
			_ = os.Remove(filepath.Join(dir, e.Name()))
		}
	}
}

// loadSnapshot takes the state of the snapshot, and says whether there was one.
// One that is cut or damaged is a warning: the log may hold all of it.
func (f *File) loadSnapshot(now time.Time) (bool, error) {
	file, err := openTrusted(f.snapPath(), unix.O_RDONLY)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, unknown("reading the snapshot", err)
	}
	defer func() { _ = file.Close() }()
	if err := unix.Fstat(int(file.Fd()), &f.snapID); err != nil {
		return false, unknown("reading the snapshot "+f.snapPath(), err)
	}
	snap, err := readSnapshotInto(file, NewLocalFold())
	if errors.Is(err, ErrSnapshotCorrupt) {
		f.warn("%s: %v; going on with what the log holds", f.snapPath(), err)
		f.setAside()
		return false, nil
	}
	if err != nil {
		return false, unknown("reading the snapshot "+f.snapPath(), err)
	}
	snap.fold.mend(later(snap.header.Saved, now))
	f.remarks.take(LineError{Source: f.snapPath()}, snap.fold.remarks)
	f.adopt(snap)
	return true, nil
}

// adopt goes on from a snapshot.
func (f *File) adopt(snap *snapshot) {
	h := snap.header
	f.saved, f.missed = true, h.Missed
	f.fold, f.memory, f.intent = snap.fold.goneOn(), h.Memory, h.Intent
	f.tail.offset, f.tail.line, f.hash = h.Cursor.Offset, h.Cursor.Line, h.Cursor.Hash
	f.recoverUntil, f.inode = h.Cursor.RecoverUntil, h.Cursor.Inode
	f.badTotal, f.newest = h.BadTotal, snap.fold.newest
	for _, b := range snap.bad {
		f.bad = append(f.bad, LineError{Source: f.Path, Line: b.line, Err: errors.New(b.text)})
	}
}

// setAside keeps a damaged snapshot for a look at it. Only the writer does so,
// and goes on when it cannot.
func (f *File) setAside() {
	if f.lock == nil {
		return
	}
	aside := f.snapPath() + ".corrupt"
	if err := os.Rename(f.snapPath(), aside); err != nil {
		f.warn("the damaged snapshot could not be set aside: %v", err)
		return
	}
	f.snapID = unix.Stat_t{}
	f.warn("the damaged snapshot is now %s", aside)
}

// SaveSnapshot writes the state, up to the last complete line that was read,
// together with what the controller has to remember. It is on disk when
// SaveSnapshot returns; on an error the old snapshot stays.
func (f *File) SaveSnapshot(mem Memory, now time.Time) error {
	return f.save(mem, now, f.intent)
}

// Keep saves the state as SaveSnapshot does, and goes on telling what happened
// to the log: nobody may have looked yet.
func (f *File) Keep(mem Memory, now time.Time) error {
	incident := f.incident
	err := f.SaveSnapshot(mem, now)
	f.incident = incident
	return err
}

// Saved says that a snapshot holds the state, or an earlier one.
func (f *File) Saved() bool { return f.saved }

// Writable says that this process may save the state: it has the lock, and has
// read what it would replace.
func (f *File) Writable() bool { return f.lock != nil && f.unknown == nil }

func (f *File) save(mem Memory, now time.Time, i *intent) error {
	if f.lock == nil {
		return fmt.Errorf("saving %s: %w", f.snapPath(), ErrNotLocked)
	}
	if f.unknown != nil {
		return fmt.Errorf("saving %s, which would lose what is in it: %w", f.snapPath(), f.unknown)
	}
	snap := &snapshot{fold: f.fold, header: header{
		Saved: writable(now), Intent: i, BadTotal: f.badTotal, Memory: mem, Missed: f.missed,
		Cursor: cursor{
			Inode: f.inode, Offset: f.tail.offset, Line: f.tail.line,
			Hash: f.hash, RecoverUntil: f.recoverUntil,
		},
	}}
	for _, b := range f.bad {
		if b.Source == f.Path {
			snap.bad = append(snap.bad, badLine{line: b.Line, text: b.Err.Error()})
		}
	}
	if err := writeSnapshot(f.snapPath(), snap); err != nil {
		return fmt.Errorf("saving %s: %w", f.snapPath(), err)
	}
	f.memory, f.saved = mem, true
	f.incident = ""
	return nil
}

// writeSnapshot replaces the file at path in one step.
func writeSnapshot(path string, snap *snapshot) error { return replaceFile(path, snap.write) }

// replaceFile puts a file in the place of another in one step. It is on disk,
// with its name, when replaceFile returns.
func replaceFile(path string, write func(io.Writer) error) (err error) {
	dir, err := openDir(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, dir.Close()) }()
	file, err := renameio.NewPendingFile(path, renameio.WithTempDir(dir.Name()), renameio.WithStaticPermissions(fileMode))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Cleanup()) }()
	if err := ownAs(file.File, dir); err != nil {
		return err
	}
	if err := write(file); err != nil {
		return err
	}
	if err := file.CloseAtomicallyReplace(); err != nil {
		return err
	}
	return dir.Sync()
}
