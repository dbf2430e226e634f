package desired

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"golang.org/x/sys/unix"
)

// Origin is what a log was known by when the first record of it was read: the
// bytes at its beginning. The zero Origin is that of a log which holds not all of
// its bans any more; its snapshot has the rest. An Origin is kept beside the log,
// in the file of its lock, and with all other logs, so that a log whose snapshot
// is lost is not taken for one that never was.
type Origin struct {
	Bytes int64  `json:"bytes"`
	Hash  string `json:"hash,omitempty"`
}

// beginsAs says that the log still begins as it did, and so holds all its bans.
func (o Origin) beginsAs(log io.ReaderAt) bool {
	if o.Bytes <= 0 || o.Bytes > hashWindow {
		return false
	}
	same, err := matches(log, o.Bytes, o.Hash)
	return err == nil && same
}

// Origin gives the log's, and whether a record of it was ever read.
func (f *File) Origin() (Origin, bool) { return f.origin, f.known }

// settleOrigin learns the origin of a log that was read and of which nothing is
// kept yet.
func (f *File) settleOrigin() {
	if f.log != nil && f.missed != nil && f.missed.beginsAs(f.log) {
		f.origin, f.missed = *f.missed, nil // it is back
	}
	if !f.known && f.fold.generation > 0 {
		f.known = true
		if n := min(f.tail.offset, hashWindow); f.log != nil && n > 0 && !f.saved && f.missed == nil && f.recoverUntil == 0 && !f.blankAt(0, ' ') && !f.blankAt(0, 0) {
			if hash, err := hashBefore(f.log, n); err == nil {
				f.origin = Origin{Bytes: n, Hash: hash}
			}
		}
	}
	f.attest(f.origin)
}

// attest keeps the origin beside the log. Where that fails, the other logs know it.
func (f *File) attest(o Origin) {
	if f.lock == nil || !f.known || f.attested != nil && *f.attested == o {
		return
	}
	text, err := json.Marshal(o)
	if err == nil {
		_, err = f.lock.WriteAt(append(text, '\n'), 0)
	}
	if err == nil {
		err = f.lock.Truncate(int64(len(text)) + 1)
	}
	if err == nil && f.lock.Sync() == nil {
		f.attested = &o
	}
}

// recall finds out what the log is known by, from beside it or, failing that,
// from the other logs.
func (f *File) recall() {
	if f.attested = f.readOrigin(); f.attested != nil {
		f.known, f.origin = true, *f.attested
	} else if f.Remembered != nil {
		f.known, f.origin = true, *f.Remembered
	}
}

// readOrigin reads what is kept beside the log; nil is nothing.
func (f *File) readOrigin() *Origin {
	file, err := openTrusted(f.snapPath()+".lock", unix.O_RDONLY)
	if err != nil {
		return nil
	}
	defer func() { _ = file.Close() }()
	var text [512]byte
	n, err := file.ReadAt(text[:], 0)
	var o Origin
	if err != nil && !errors.Is(err, io.EOF) || json.Unmarshal(text[:n], &o) != nil {
		return nil
	}
	return &o
}

// Gap says why not all bans of the log are known.
func (f *File) Gap() error {
	switch {
	case f.unknown != nil:
		return f.unknown
	case f.missed != nil && f.log == nil:
		return fmt.Errorf("log %s and its snapshot are missing, and nothing is known of its bans; put both back", f.Path)
	case f.missed != nil:
		return fmt.Errorf("the snapshot of log %s was lost, and with it bans that the log does not hold; "+
			"stop the daemon, put it back and start; or go on without them: reconciler confirm", f.Path)
	case f.unread:
		return fmt.Errorf("log %s could not be read yet, and nothing is known of its bans", f.Path)
	case f.behind:
		return fmt.Errorf("log %s is long and has not been read to its end yet", f.Path)
	}
	return nil
}

// Accept takes what is lost for gone, as an operator has confirmed. A log that is
// away may come back, so it is still missed.
func (f *File) Accept() bool {
	if f.missed == nil || f.log == nil {
		return false
	}
	f.missed = nil
	return true
}
