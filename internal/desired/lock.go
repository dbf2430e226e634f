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

// sameFile says that a path still names an open file.
func sameFile(file *os.File, path string) bool {
	var open, named unix.Stat_t
	return unix.Fstat(int(file.Fd()), &open) == nil && unix.Lstat(path, &named) == nil &&
		open.Ino == named.Ino && open.Dev == named.Dev
}

// lockOpen takes the lock of an open file. It tries again until the context
// ends, for flock itself cannot be interrupted.
func lockOpen(ctx context.Context, file *os.File) error {
	for wait := time.Millisecond; ; wait = min(2*wait, 50*time.Millisecond) {
		err := unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			return nil
		}
		if !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, unix.EINTR) {
			return &fs.PathError{Op: "flock", Path: file.Name(), Err: err}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for the lock of %s, which another process holds: %w", file.Name(), ctx.Err())
		case <-time.After(wait):
		}
	}
}

// openLocked opens (or makes) a file and locks it. When the path names another
// file by then, that one is taken.
func openLocked(ctx context.Context, path string, open func(string, int) (*os.File, error)) (*os.File, error) {
	const flags = unix.O_RDWR | unix.O_APPEND
	for {
		file, err := open(path, flags)
		if err != nil {
			return nil, err
		}
		if err := lockOpen(ctx, file); err != nil {
			_ = file.Close()
			return nil, err
		}
		if sameFile(file, path) {
			return file, nil
		}
		_ = file.Close()
		if err := ctx.Err(); err != nil {
			return nil, fmt.Errorf("opening %s: %w", path, err)
		}
	}
}
