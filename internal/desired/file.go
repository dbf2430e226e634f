package desired

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

const (
	maxBad       = 100             // bad lines that are kept
	tornAfter    = 5 * time.Second // a last line without newline is then reported
	loadAttempts = 20
	loadPause    = 10 * time.Millisecond
)

// File is a log on disk with its snapshot beside it: a Source. The process that
// holds its Lock is the only one that writes the snapshot and compacts; any
// other may read at the same time. Append needs no lock of that kind and may be
// called from any goroutine.
type File struct {
	Path   string // the log
	RunDir string // where the spool is
	// Remembered is what other logs know this one by; nil: nothing.
	Remembered *Origin
	Now        func() time.Time // stamps appended records that have no time
	// Portion begins to read a part of what is there, and gives what says after a
	// line whether that was enough. Only the writer reads so, since it can go on from
	// where it came to: Behind tells, and Refresh does. nil: all at once.
	Portion func() (enough func() bool)

	fold   *Fold
	memory Memory
	lock   *os.File // held: this process is the writer
	step   func(string) error

	log          *os.File // nil: it could not be opened
	inode        uint64
	seen         stamp // of the log when all of it was read and found in order
	tail         tail
	behind       bool    // the last portion was not all
	hash         string  // of the bytes before tail.offset
	recoverUntil int64   // lines that begin before it are folded by their times
	intent       *intent // a compaction that may have happened or not
	start        cursor  // where the last Load began to read
	spool        spool
	spoolAt      string // where the spool is; see findSpool
	spoolFound   time.Time
	parser       Parser

	bad      []LineError
	badTotal int
	remarks  remarks
	torn     tornLine
	warnings []string // of the last Load
	incident string   // why the log is not what it was; until the next snapshot
	newest   time.Time
	snapID   unix.Stat_t
	saved    bool  // there is a snapshot of this state, or of an earlier one
	unknown  error // why the snapshot that is there was not read

	known    bool    // a record of it was read, now or ever
	origin   Origin  // what it is known by
	attested *Origin // what is written beside it
	missed   *Origin // the log that was known and is not all there; nil: it is
	unread   bool    // it is there, and was never read
	err      error   // of the last Load or Refresh
}

// spool is the reading end of the spool.
type spool struct {
	tail tail
	hash string // of the bytes before its place: an inode is given to the next spool at once
}

// tornLine is a last line that has no newline.
type tornLine struct {
	at     int64
	since  time.Time
	report bool
}

// NewFile gives the Source of the log at path. Nothing is opened yet.
func NewFile(path string) *File {
	return &File{Path: path, RunDir: DefaultRunDir, Now: time.Now, fold: NewLocalFold()}
}

// Fold gives the state. Load makes a new one.
func (f *File) Fold() *Fold { return f.fold }

// Memory gives what the last snapshot held beside the claims.
func (f *File) Memory() Memory { return f.memory }

// Close closes the log and gives up the lock.
func (f *File) Close() error {
	err := f.closeLog()
	if f.lock != nil {
		err = errors.Join(err, f.lock.Close())
		f.lock = nil
	}
	return err
}

func (f *File) closeLog() error {
	if f.log == nil {
		return nil
	}
	err := f.log.Close()
	f.log = nil
	return err
}

// Load reads the snapshot, the log behind it, and the spool, or the first Portion
// of them. An error that is ErrUnavailable leaves the state that the snapshot holds; after ErrUnknown
// there is none. Without the lock, Load tries again when a compaction came in
// between.
func (f *File) Load(ctx context.Context, now time.Time, create bool) error {
	for attempt := 1; ; attempt++ {
		f.err = f.load(now, create)
		if f.lock != nil || f.unknown != nil { // reading again would find the same
			return f.err
		}
		// A compaction between two looks at the log seems to have replaced it.
		doubtful := errors.Is(f.err, ErrReplaced) && attempt <= 3
		if f.steady() && !doubtful {
			return f.err
		}
		if attempt == loadAttempts {
			f.err = fmt.Errorf("reading %s: %w", f.Path, ErrBusy)
			return f.err
		}
		select {
		case <-ctx.Done():
			f.err = fmt.Errorf("reading %s: %w", f.Path, ctx.Err())
			return f.err
		case <-time.After(loadPause):
		}
	}
}

func (f *File) load(now time.Time, create bool) error {
	if err := f.closeLog(); err != nil {
		return fmt.Errorf("closing %s: %w", f.Path, err)
	}
	f.forget()
	known, err := f.loadSnapshot(now)
	if f.unknown = err; err != nil {
		return err
	}
	defer f.hush()()
	defer f.settleOrigin()
	f.recall()
	if !known && f.known {
		missed := f.origin
		f.missed = &missed
	}
	log, err := openTrusted(f.Path, unix.O_RDONLY)
	if errors.Is(err, fs.ErrNotExist) && !known && f.missed == nil {
		if !create {
			f.warn("log %s is not there yet; the first ban makes it", f.Path)
			return f.readSpool(now)
		}
		log, err = openOrCreate(f.Path, unix.O_RDONLY)
	}
	if err != nil {
		f.unread = !known && !errors.Is(err, fs.ErrNotExist)
		return errors.Join(f.unavailable(err), f.readSpool(now))
	}
	return errors.Join(f.attach(log, now), f.readSpool(now))
}

// forget begins anew.
func (f *File) forget() {
	f.fold, f.memory = NewLocalFold(), Memory{}
	f.inode, f.seen, f.tail, f.hash, f.recoverUntil, f.intent = 0, stamp{}, tail{}, "", 0, nil
	f.start, f.spool, f.spoolFound, f.saved, f.behind = cursor{}, spool{}, time.Time{}, false, false
	f.bad, f.badTotal, f.remarks, f.torn = nil, 0, nil, tornLine{}
	f.warnings, f.incident, f.newest, f.snapID = nil, "", time.Time{}, unix.Stat_t{}
	f.known, f.origin, f.attested, f.missed, f.unread = false, Origin{}, nil, nil, false
}

func (f *File) warn(format string, args ...any) {
	f.warnings = append(f.warnings, fmt.Sprintf(format, args...))
}

// unavailable says what happened to the log and what to do.
func (f *File) unavailable(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("log %s is missing; put it back, or go on with an empty one: reconciler ban makes it: %w", f.Path, ErrUnavailable)
	}
	return fmt.Errorf("log %s cannot be read: %w: %w", f.Path, err, ErrUnavailable)
}

// Refresh reads what was appended since the last call; its cost is that of the
// appended bytes. A process without the lock, or without a state, loads all
// anew, into a new Fold.
func (f *File) Refresh(ctx context.Context, now time.Time) (bool, error) {
	if f.lock == nil || f.unknown != nil {
		err := f.Load(ctx, now, false)
		return true, err
	}
	before := f.fold.Generation()
	f.err = errors.Join(f.refreshLog(now), f.readSpool(now))
	f.settleOrigin()
	f.speak()
	return f.fold.Generation() != before, f.err
}

func (f *File) refreshLog(now time.Time) error {
	var st unix.Stat_t
	behind := f.behind
	f.behind = false
	err := unix.Lstat(f.Path, &st)
	if err == nil {
		err = checkStat(f.Path, &st)
	}
	if err == nil && (f.log == nil || st.Ino != f.inode) {
		return f.switchLog(now)
	}
	if err != nil {
		// Lines may have come before the log was taken away.
		return errors.Join(f.unavailable(err), f.readRest(now))
	}
	if f.seen == stampOf(&st) {
		f.watchTorn(now)
		return nil
	}
	f.seen = stamp{}
	same, err := matches(f.log, f.tail.offset, f.hash)
	if err != nil {
		return f.unavailable(err)
	}
	if !same {
		return f.recover(st.Size, now)
	}
	if st.Size == f.tail.size && !behind {
		f.watchTorn(now)
	} else if err := f.read(now); err != nil {
		return err
	}
	if !f.behind {
		f.seen = stampOf(&st)
	}
	return nil
}

// switchLog goes over to the file that the path names now, after the rest of
// the old one.
func (f *File) switchLog(now time.Time) error {
	if err := f.readRest(now); err != nil || f.behind {
		return err
	}
	log, err := openTrusted(f.Path, unix.O_RDONLY)
	if err != nil {
		return f.unavailable(err)
	}
	if err := f.closeLog(); err != nil {
		_ = log.Close()
		return fmt.Errorf("closing the old %s: %w", f.Path, err)
	}
	defer f.hush()()
	return f.attach(log, now)
}

// hush keeps a confirm in what is read for the first time from having an effect.
// The function that it gives ends that, once all of it is read.
func (f *File) hush() func() {
	f.fold.quiet = true
	return f.speak
}

func (f *File) speak() { f.fold.quiet = f.fold.quiet && f.behind }

// Behind reports whether the log holds more than was read of it in one portion.
func (f *File) Behind() bool { return f.behind }

// readRest reads an open log to its end, if it is still the one that was folded.
func (f *File) readRest(now time.Time) error {
	if f.log == nil {
		return nil
	}
	same, err := matches(f.log, f.tail.offset, f.hash)
	if err != nil || !same {
		return err
	}
	return f.read(now)
}
