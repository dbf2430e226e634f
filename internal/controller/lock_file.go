package controller

import (
	"errors"
	"fmt"
	"hash/fnv"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"reconciler/internal/desired"
)

// ErrLockFile means that the lock file, or its directory, is not to be trusted.
var ErrLockFile = errors.New("not to be trusted as a lock")

// lockDir is the same for all, whatever --run-dir says: two daemons that look
// in two places would not meet. Tests have their own.
var lockDir = desired.DefaultRunDir

// honest says that a user may keep others from the chain: root, ourselves and
// the service command the firewall anyway.
func honest(uid int64) bool {
	return uid == 0 || uid == int64(os.Geteuid()) || uid > 0 && desired.IsServiceUser(uint32(uid))
}

// lockFile takes the second lock, which only those can take who may write to the
// run directory: a byte of one file that is never removed, for a file that goes
// while somebody waits for it is two locks. Which byte says the chain and the
// network namespace, for /run may be shared.
func lockFile(chain string) (*os.File, error) {
	var ns unix.Stat_t
	if err := unix.Stat("/proc/thread-self/ns/net", &ns); err != nil {
		return nil, fmt.Errorf("finding the network namespace for the lock: %w", err)
	}
	if err := os.Mkdir(lockDir, 0o755); err != nil && !errors.Is(err, fs.ErrExist) { //nolint:gosec // the spool in it is for all writers to find
		return nil, fmt.Errorf("making the directory of the lock: %w", err)
	}
	path := filepath.Join(lockDir, "lock")
	file, err := openLock(path)
	if err != nil {
		return nil, err
	}
	// A lock of the open file (fcntl(2)), as flock(2) makes: it ends with the file.
	err = unix.FcntlFlock(file.Fd(), unix.F_OFD_SETLK, &unix.Flock_t{Type: unix.F_WRLCK, Whence: unix.SEEK_SET, Start: placeOf(chain, ns), Len: 1})
	if err == nil {
		return file, nil
	}
	_ = file.Close() // nothing was written
	if errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EACCES) {
		return nil, fmt.Errorf("%w: a process holds its place in %s; find it (fuser %s) and stop it first (systemctl stop reconciler), or give this one another --chain", ErrHeld, path, path)
	}
	return nil, fmt.Errorf("locking %s: %w", path, err)
}

// fileHeld reports whether somebody holds the lock file's place for a chain. Who
// may not open the file cannot tell, and takes it for free.
func fileHeld(chain string) bool {
	var ns unix.Stat_t
	file, err := os.OpenFile(filepath.Join(lockDir, "lock"), unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return false
	}
	defer file.Close() //nolint:errcheck // it was only looked at
	if unix.Stat("/proc/thread-self/ns/net", &ns) != nil {
		return false
	}
	lock := unix.Flock_t{Type: unix.F_WRLCK, Whence: unix.SEEK_SET, Start: placeOf(chain, ns), Len: 1}
	err = unix.FcntlFlock(file.Fd(), unix.F_OFD_GETLK, &lock)
	return err == nil && lock.Type != unix.F_UNLCK
}

// placeOf gives the byte for a chain of a network namespace. That two of a few
// should meet in one of 2^62 is not to be expected.
func placeOf(chain string, ns unix.Stat_t) int64 {
	h := fnv.New64a()
	fmt.Fprintf(h, "%d %d %s", ns.Dev, ns.Ino, chain) //nolint:errcheck // a hash takes everything
	return int64(h.Sum64() >> 2)                      // 62 bits
}

// openLock opens or makes the file in a directory that only honest users write
// to. Nobody else may open it, or they could hold it.
func openLock(path string) (*os.File, error) {
	dir, err := os.OpenFile(filepath.Dir(path), unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return nil, fmt.Errorf("opening the directory of the lock: %w", err)
	}
	defer dir.Close() //nolint:errcheck // it was only read
	var at, st unix.Stat_t
	if err := unix.Fstat(int(dir.Fd()), &at); err != nil {
		return nil, &fs.PathError{Op: "fstat", Path: dir.Name(), Err: err}
	}
	if !honest(int64(at.Uid)) || at.Mode&0o022 != 0 {
		return nil, fmt.Errorf("%s is %w (uid %d, mode %o); run: chown root %s && chmod 755 %s", dir.Name(), ErrLockFile, at.Uid, at.Mode&0o7777, dir.Name(), dir.Name())
	}
	fd, err := unix.Openat(int(dir.Fd()), filepath.Base(path), unix.O_RDWR|unix.O_CREAT|unix.O_NOFOLLOW|unix.O_CLOEXEC|unix.O_NONBLOCK, 0o600)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	file := os.NewFile(uintptr(fd), path)
	if err = unix.Fstat(fd, &st); err == nil && (st.Mode&unix.S_IFMT != unix.S_IFREG || !honest(int64(st.Uid)) || st.Mode&0o077 != 0 || st.Nlink != 1) {
		err = fmt.Errorf("%s is %w (uid %d, mode %o); remove it", path, ErrLockFile, st.Uid, st.Mode)
	}
	if err == nil && os.Geteuid() == 0 && st.Uid != at.Uid {
		err = file.Chown(int(at.Uid), int(at.Gid)) // the service takes it too
	}
	if err != nil {
		_ = file.Close()
		return nil, err
	}
	return file, nil
}

func closeIf(file *os.File) error {
	if file == nil {
		return nil
	}
	return file.Close()
}
