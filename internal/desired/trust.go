package desired

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"sync"

	"golang.org/x/sys/unix"
)

// ServiceUser is the user as whom the packaged service runs. fail2ban and
// people run as root and append to the log that this user owns, so root trusts
// its files too: whoever is this user commands the firewall already, and
// through the log can do nothing more. Nobody else trusts it.
const ServiceUser = "reconciler"

// ErrLinked is a file in the service user's directory that has another name.
var ErrLinked = errors.New("known by another name as well")

// trusted says that the owner of a file or directory may decide what is banned.
func trusted(uid uint32) bool {
	self := os.Geteuid()
	return uid == 0 || int64(uid) == int64(self) || self == 0 && IsServiceUser(uid)
}

// IsServiceUser says that a user is the one as whom the packaged service runs.
func IsServiceUser(uid uint32) bool {
	id, known := serviceUID()
	return known && id == uid
}

// serviceUID is looked up only when a file is neither root's nor ours.
var serviceUID = sync.OnceValues(func() (uint32, bool) {
	u, err := user.Lookup(ServiceUser)
	if err != nil {
		return 0, false
	}
	id, err := strconv.ParseUint(u.Uid, 10, 32)
	return uint32(id), err == nil
})

// checkNames refuses a file with a second name in a directory of the service
// user. Root writes there, and must not be led to a file of its own that lies
// elsewhere. Symbolic links are refused by the open itself.
func checkNames(file, dir *os.File) error {
	var st, at unix.Stat_t
	if err := unix.Fstat(int(file.Fd()), &st); err != nil {
		return &fs.PathError{Op: "fstat", Path: file.Name(), Err: err}
	}
	if err := unix.Fstat(int(dir.Fd()), &at); err != nil {
		return &fs.PathError{Op: "fstat", Path: dir.Name(), Err: err}
	}
	if os.Geteuid() != 0 || at.Uid == 0 || st.Nlink <= 1 {
		return nil
	}
	return fmt.Errorf("%s is %w; run: find %s -xdev -samefile %s, and remove the other", file.Name(), ErrLinked, filepath.Dir(file.Name()), file.Name())
}

// CheckTrust says why a log or its directory is not to be trusted: the error
// wraps ErrOwner, ErrWorldWritable, ErrSymlink, ErrNotRegular or ErrLinked, or
// is that of the system.
func CheckTrust(path string) error {
	file, err := openTrusted(path, unix.O_RDONLY)
	if err != nil {
		return err
	}
	return file.Close()
}
