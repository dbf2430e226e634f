package desired

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Errors of opening a file that is not safe to trust.
var (
	ErrNotRegular    = errors.New("not a regular file")
	ErrSymlink       = errors.New("a symbolic link")
	ErrOwner         = errors.New("owned by another user")
	ErrWorldWritable = errors.New("writable by everyone")
)

const (
	dirMode  = 0o750
	fileMode = 0o640
)

// openTrusted opens a file of a directory. Both are checked once they are open,
// so that nobody can exchange them in between: the file must be a regular one,
// owned by root or this user, and not writable by everyone. O_NONBLOCK keeps a
// planted FIFO from blocking the open.
func openTrusted(path string, flags int) (*os.File, error) {
	dir, err := openDir(filepath.Dir(path))
	if err != nil {
		return nil, err
	}
	defer func() { _ = dir.Close() }()
	return openIn(dir, path, flags, 0)
}

func openIn(dir *os.File, path string, flags int, mode uint32) (*os.File, error) {
	const always = unix.O_NOFOLLOW | unix.O_CLOEXEC | unix.O_NONBLOCK | unix.O_NOCTTY
	fd, err := unix.Openat(int(dir.Fd()), filepath.Base(path), flags|always, mode)
	if errors.Is(err, unix.ELOOP) {
		return nil, fmt.Errorf("%s is %w; name the file that it points to", path, ErrSymlink)
	}
	if errors.Is(err, unix.EISDIR) {
		return nil, fmt.Errorf("%s is a directory and %w; name a file in it", path, ErrNotRegular)
	}
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	file := os.NewFile(uintptr(fd), path)
	err = checkFile(file)
	if err == nil {
		err = checkNames(file, dir)
	}
	if err != nil {
		_ = file.Close()
		return nil, err
	}
	return file, nil
}

func checkFile(file *os.File) error {
	var st unix.Stat_t
	if err := unix.Fstat(int(file.Fd()), &st); err != nil {
		return &fs.PathError{Op: "fstat", Path: file.Name(), Err: err}
	}
	return checkStat(file.Name(), &st)
}

func checkStat(path string, st *unix.Stat_t) error {
	switch {
	case st.Mode&unix.S_IFMT == unix.S_IFLNK:
		return fmt.Errorf("%s is %w; name the file that it points to", path, ErrSymlink)
	case st.Mode&unix.S_IFMT != unix.S_IFREG:
		return fmt.Errorf("%s is %w; move it away or name another path", path, ErrNotRegular)
	case !trusted(st.Uid):
		return fmt.Errorf("%s is %w (uid %d); %s", path, ErrOwner, st.Uid, ownerMend(st.Uid, path))
	case st.Mode&0o002 != 0:
		return fmt.Errorf("%s is %w; run: chmod o-w %s", path, ErrWorldWritable, path)
	}
	return nil
}

// ownerMend says what to do about an owner that is not trusted. What is the
// service's stays the service's, or it could not write any more.
func ownerMend(uid uint32, path string) string {
	if IsServiceUser(uid) {
		return fmt.Sprintf("it is the service's: run this as root or as the user %s (a fail2ban without root: User=%s in its unit)", ServiceUser, ServiceUser)
	}
	return "run: chown root " + path
}

// openDir opens a directory and checks it: no link itself, owned by root or this
// user, and if everyone may write to it, then with the sticky bit that keeps
// others from replacing our files. Links further up the path are followed: they
// are the system's.
func openDir(path string) (*os.File, error) {
	dir, err := os.OpenFile(path, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC|unix.O_NOFOLLOW, 0)
	if errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.ELOOP) {
		if st, statErr := os.Lstat(path); statErr == nil && st.Mode().Type() == fs.ModeSymlink {
			return nil, fmt.Errorf("directory %s is %w; name the directory that it points to", path, ErrSymlink)
		}
	}
	if err != nil {
		return nil, err
	}
	var st unix.Stat_t
	err = unix.Fstat(int(dir.Fd()), &st)
	switch {
	case err != nil:
		err = &fs.PathError{Op: "fstat", Path: path, Err: err}
	case !trusted(st.Uid):
		err = fmt.Errorf("directory %s is %w (uid %d); %s", path, ErrOwner, st.Uid, ownerMend(st.Uid, path))
	case st.Mode&0o002 != 0 && st.Mode&unix.S_ISVTX == 0:
		err = fmt.Errorf("directory %s is %w; run: chmod o-w %s", path, ErrWorldWritable, path)
	}
	if err != nil {
		_ = dir.Close()
		return nil, err
	}
	return dir, nil
}

// openOrCreate opens a file, and makes it and the last element of its directory
// where they are missing. A new file takes its directory's owner and group. It
// is on disk, with its name, when openOrCreate returns.
func openOrCreate(path string, flags int) (*os.File, error) {
	dir, err := openOrMakeDir(filepath.Dir(path))
	if err != nil {
		return nil, err
	}
	defer func() { _ = dir.Close() }()
	file, err := openIn(dir, path, flags, 0)
	if !errors.Is(err, fs.ErrNotExist) {
		return file, err
	}
	file, err = openIn(dir, path, flags|unix.O_CREAT|unix.O_EXCL, fileMode)
	if errors.Is(err, fs.ErrExist) {
		return openIn(dir, path, flags, 0)
	}
	if err != nil {
		return nil, err
	}
	if err := settleNew(file, dir); err != nil {
		_ = file.Close()
		return nil, err
	}
	return file, nil
}

// settleNew gives a new file its mode and owner and puts its name on disk.
func settleNew(file, dir *os.File) error {
	if err := file.Chmod(fileMode); err != nil {
		return err
	}
	if err := ownAs(file, dir); err != nil {
		return err
	}
	if err := file.Sync(); err != nil {
		return err
	}
	return dir.Sync()
}

// ownAs gives a file the owner and group of a directory.
func ownAs(file, dir *os.File) error {
	var want, have unix.Stat_t
	if err := unix.Fstat(int(dir.Fd()), &want); err != nil {
		return &fs.PathError{Op: "fstat", Path: dir.Name(), Err: err}
	}
	if err := unix.Fstat(int(file.Fd()), &have); err != nil {
		return &fs.PathError{Op: "fstat", Path: file.Name(), Err: err}
	}
	if want.Uid == have.Uid && want.Gid == have.Gid {
		return nil
	}
	err := file.Chown(int(want.Uid), int(want.Gid))
	if errors.Is(err, fs.ErrPermission) {
		return nil // not root: the file stays ours, which is safe
	}
	return err
}

func openOrMakeDir(path string) (*os.File, error) {
	dir, err := openDir(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return dir, err
	}
	err = os.Mkdir(path, dirMode)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w; make its parent first: mkdir -p %s", err, filepath.Dir(path))
	}
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	if err := syncDir(filepath.Dir(path)); err != nil {
		return nil, err
	}
	return openDir(path)
}

func syncDir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// inodeOf gives the inode and size of an open file.
func inodeOf(file *os.File) (uint64, int64, error) {
	var st unix.Stat_t
	if err := unix.Fstat(int(file.Fd()), &st); err != nil {
		return 0, 0, &fs.PathError{Op: "fstat", Path: file.Name(), Err: err}
	}
	return st.Ino, st.Size, nil
}

// stamp tells one state of a file from another, as far as its directory entry
// does. A rewrite to the same size within one tick of the kernel's clock is not
// seen; the next append is looked at with all that stands before it.
type stamp struct {
	dev, inode   uint64
	size         int64
	mtime, ctime unix.Timespec
}

func stampOf(st *unix.Stat_t) stamp {
	return stamp{st.Dev, st.Ino, st.Size, st.Mtim, st.Ctim}
}
