package desired

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// DefaultRunDir holds the spools.
const DefaultRunDir = "/run/reconciler"

// errSpoolUnread is the cause when the spool itself could not be read.
var errSpoolUnread = errors.New("the spool cannot be read")

// drainReserve is the room, in bytes, that a file system must have beyond the
// spool before the spool is moved to the log.
const drainReserve = 64 << 10

// spoolPath names the spool after the log's absolute path, so that two logs
// never share one, and without links, so that two spellings of one log do.
func (f *File) spoolPath() string {
	path, err := filepath.Abs(f.Path)
	if err != nil {
		path = f.Path
	}
	path = filepath.Join(resolved(filepath.Dir(path)), filepath.Base(path))
	sum := sha256.Sum256([]byte(path))
	return filepath.Join(f.RunDir, fmt.Sprintf("spool-%x.jsonl", sum[:8]))
}

// findSpool is spoolPath for a look each second: links are followed anew only
// after a while, for directories above a log hardly ever move.
func (f *File) findSpool(now time.Time) string {
	const goodFor = 10 * time.Second
	if f.spoolFound.IsZero() || now.Sub(f.spoolFound).Abs() >= goodFor {
		f.spoolAt, f.spoolFound = f.spoolPath(), now
	}
	return f.spoolAt
}

// resolved gives a directory without links, also one that is to be made yet.
func resolved(dir string) string {
	if found, err := filepath.EvalSymlinks(dir); err == nil {
		return found
	}
	parent := filepath.Dir(dir)
	if parent == dir {
		return dir
	}
	return filepath.Join(resolved(parent), filepath.Base(dir))
}

func appendSpool(ctx context.Context, path string, data []byte) error {
	spool, err := openLocked(ctx, path, openOrCreate)
	if err != nil {
		return err
	}
	defer func() { _ = spool.Close() }()
	return writeLines(spool, data)
}

// DrainSpool moves what waits in the spool to the end of the log and gives its
// size in bytes. A crash on the way leaves lines in both, which is harmless.
func (f *File) DrainSpool(ctx context.Context) (int64, error) {
	path := f.spoolPath()
	if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	log, err := openLocked(ctx, f.Path, openOrCreate)
	if err != nil {
		return 0, fmt.Errorf("draining the spool into %s: %w", f.Path, err)
	}
	defer func() { _ = log.Close() }()
	n, err := drain(ctx, log, path)
	if err != nil {
		return 0, fmt.Errorf("draining the spool into %s: %w", f.Path, err)
	}
	return n, nil
}

// drain appends the spool to the log, whose lock is held, and removes it. It is
// removed and not emptied, so that a reader knows the next spool by its inode.
func drain(ctx context.Context, log *os.File, path string) (int64, error) {
	spool, err := openLocked(ctx, path, openTrusted)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("%w: %w", errSpoolUnread, err)
	}
	defer func() { _ = spool.Close() }()
	data, err := io.ReadAll(spool)
	if err != nil {
		return 0, fmt.Errorf("%w: %w", errSpoolUnread, err)
	}
	if len(data) > 0 {
		if !bytes.HasSuffix(data, []byte{'\n'}) {
			data = append(data, '\n')
		}
		if err := haveRoom(log, len(data)); err != nil {
			return 0, err
		}
		if err := writeLines(log, data); err != nil {
			return 0, err
		}
	}
	if err := os.Remove(path); err != nil {
		return 0, err
	}
	return int64(len(data)), syncDir(filepath.Dir(path))
}

// haveRoom keeps a long spool from being torn into a nearly full disk again and
// again.
func haveRoom(file *os.File, size int) error {
	var st unix.Statfs_t
	if err := unix.Fstatfs(int(file.Fd()), &st); err != nil {
		return &fs.PathError{Op: "fstatfs", Path: file.Name(), Err: err}
	}
	if st.Bavail*uint64(st.Bsize) < uint64(size)+drainReserve {
		return &fs.PathError{Op: "write", Path: file.Name(), Err: unix.ENOSPC}
	}
	return nil
}
