package doctor

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"reconciler/internal/desired"
)

// stateDir is the packages' directory of the log.
const stateDir = "/var/lib/reconciler"

// reserve is the room, in bytes, below which a disk counts as nearly full.
const reserve = 64 << 20

// logs looks at each log on this machine: whether it is there, whose it is,
// who may write to it, and how much room it has.
func (e *examination) logs() {
	for _, path := range e.Config.State {
		if strings.Contains(path, "://") {
			continue // how it does is in the status
		}
		e.log(path)
	}
}

func (e *examination) log(path string) {
	dir := filepath.Dir(path)
	info, err := os.Stat(dir)
	if err != nil || !info.IsDir() {
		e.fail("log", fmt.Sprintf("install -d -m 0750 %s && %s", dir, startService), "the directory %s is not there", dir)
		return
	}
	if info, err = os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
		e.warn("log", startService, "%s is not there yet; the daemon or the first ban makes it", path)
		return
	}
	if err != nil {
		e.fail("log", asRoot, "%v", err)
		return
	}
	if err := desired.CheckTrust(path); err != nil {
		e.fail("log", e.trustMend(err, path), "%v", err)
		return
	}
	if !e.owned(dir, path) {
		return
	}
	var disk unix.Statfs_t
	if err := unix.Statfs(dir, &disk); err == nil && disk.Bavail*uint64(disk.Bsize) < reserve {
		e.warn("log", "df -h "+dir, "the disk of %s has less than 64 MiB left; records then wait in %s", path, e.Config.RunDir)
		return
	}
	e.ok("log", "%s has the right owner and mode (%s), and room", path, info.Mode().Perm())
}

// owned looks whether the daemon, which runs as the directory's owner, can use
// the log, and whether anybody can who should not.
func (e *examination) owned(dir, path string) bool {
	var at, st unix.Stat_t
	if err := errors.Join(unix.Stat(dir, &at), unix.Lstat(path, &st)); err != nil {
		e.fail("log", "ls -ld "+dir+" "+path, "looking at %s: %v", path, err)
		return false
	}
	dedicated := at.Uid != 0 || dir == e.Root+stateDir // others may be for more than the log
	mend := fmt.Sprintf("chown --reference=%s %s", dir, path)
	switch {
	case st.Uid != at.Uid && at.Uid != 0:
		e.fail("log", mend, "%s has another owner than its directory: a daemon that runs as the directory's cannot use it", path)
	case st.Uid != at.Uid || st.Gid != at.Gid:
		e.warn("log", mend, "%s has another owner or group than its directory", path)
	case st.Mode&0o020 != 0:
		e.warn("log", "chmod g-w "+path, "the group may write to %s, and so ban and unban", path)
	case st.Mode&0o600 != 0o600 || st.Mode&0o777&^0o640 != 0:
		e.warn("log", "chmod 0640 "+path, "%s has the mode %#o, and 0640 lets only its owner write and its group read who is banned", path, st.Mode&0o777)
	case dedicated && at.Mode&0o777&^0o750 != 0:
		e.warn("log", "chmod 0750 "+dir, "the directory %s has the mode %#o, and 0750 keeps others out", dir, at.Mode&0o777)
	default:
		return true
	}
	return false
}

// trustMend gives the command that makes a log trustworthy.
func (e *examination) trustMend(err error, path string) string {
	dir := filepath.Dir(path)
	switch {
	case errors.Is(err, desired.ErrOwner):
		strangers := e.foreign(dir, path)
		if len(strangers) == 0 { // it is the service's, and must stay so
			return asRoot
		}
		return "chown root " + strings.Join(strangers, " ")
	case errors.Is(err, desired.ErrWorldWritable):
		return fmt.Sprintf("chmod o-w %s %s", dir, path)
	case errors.Is(err, desired.ErrSymlink): // moving what it points to could move what an attacker named
		return fmt.Sprintf("readlink -f %s; %s", path, e.edit())
	case errors.Is(err, desired.ErrNotRegular):
		return fmt.Sprintf("mv %s %s.away && %s", path, path, restartService)
	case errors.Is(err, desired.ErrLinked):
		return fmt.Sprintf("find %s -xdev -samefile %s", dir, path)
	case errors.Is(err, fs.ErrPermission):
		return asRoot
	}
	return "ls -ld " + dir + " " + path
}

// foreign gives those paths whose owner is neither root, nor who looks, nor the
// service's user.
func (e *examination) foreign(paths ...string) []string {
	return slices.DeleteFunc(paths, func(path string) bool {
		var st unix.Stat_t
		err := unix.Lstat(path, &st)
		return err != nil || st.Uid == 0 || int(st.Uid) == e.UID || desired.IsServiceUser(st.Uid)
	})
}
