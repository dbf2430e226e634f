//go:build e2e

package files

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"reconciler/internal/testenv"
	"reconciler/test/program"
)

// While the log's file system fails, the daemon stays up, keeps enforced what
// it holds, enforces from the spool what is banned meanwhile, and says that it
// is degraded. When the disk is well again so is the daemon, and the log has
// all records.
func TestTheDaemonOutlivesAFailingDisk(t *testing.T) {
	t.Parallel()
	testenv.Need(t, "ipset", "iptables", "ip6tables")
	for name, f := range map[string]fault{
		"everything fails":            {Errno: unix.EIO},
		"no name can be looked up":    {Errno: unix.EIO, Ops: []string{"lookup", "getattr"}},
		"no file can be opened":       {Errno: unix.EIO, Ops: []string{"open", "create"}},
		"nothing can be read":         {Errno: unix.EIO, Ops: []string{"read"}},
		"nothing can be written":      {Errno: unix.ENOSPC, Ops: []string{"write", "create"}},
		"syncing loses what is new":   {Errno: unix.EIO, Ops: []string{"fsync"}, Drop: true},
		"the snapshot takes no name":  {Errno: unix.EIO, Ops: []string{"rename"}},
		"the log's front stays there": {Errno: unix.EIO, Ops: []string{"fallocate"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			disk := newDisk(t)
			s := newSite(t, filepath.Join(disk.Dir, "bans.jsonl"))
			d := s.start("--compact-at", "16KiB")
			s.must("ban", "203.0.113.1")
			d.Eventually("the first ban is enforced", func() bool { return s.everywhere("203.0.113.1") })
			disk.arm(f)
			s.grow(filepath.Join(disk.Back, "bans.jsonl"), strings.Repeat(program.Lines("198.51.100.9"), 300)) // there is something to compact
			mark := len(d.Said.String())
			out := s.run("ban", "203.0.113.2")
			if out.status != 0 {
				t.Errorf("`reconciler ban` exits %d and says: %s", out.status, out.stderr)
			}
			d.Eventually("a ban of these times is enforced", func() bool { return s.onHost("203.0.113.2") })
			d.Says(mark, "health=degraded")
			if !s.everywhere("203.0.113.1") {
				t.Error("the failing disk has lifted a ban")
			}
			mark = len(d.Said.String())
			disk.heal()
			s.must("ban", "203.0.113.3")
			d.Eventually("what is banned then is enforced", func() bool { return s.everywhere("203.0.113.2") && s.everywhere("203.0.113.3") })
			d.Says(mark, "health=ok")
			if status := d.Stop(syscall.SIGTERM); status != 0 {
				t.Errorf("the daemon exits %d; its log:\n%s", status, d.Said.String())
			}
			have := program.BansOf(t, s.log, filepath.Join(disk.Back, "no-spool"), "after all,")
			program.WantAll(t, "after all,", have, []string{"198.51.100.9/32", "203.0.113.1/32", "203.0.113.2/32", "203.0.113.3/32"}...)
		})
	}
}

// grow makes a log longer.
func (s *site) grow(path, text string) {
	s.t.Helper()
	file, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	if _, err := file.WriteString(text); err != nil {
		s.t.Fatal(err)
	}
}

// A machine that boots with its disk read-only has nothing in its firewall: the
// daemon starts all the same and enforces what log, snapshot and spool hold.
func TestTheDaemonStartsOnAReadOnlyDisk(t *testing.T) {
	t.Parallel()
	testenv.Need(t, "ipset", "iptables", "ip6tables")
	for _, lock := range []string{"there", "missing"} {
		t.Run("lock "+lock, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=4m,mode=755"); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
			s := newSite(t, filepath.Join(dir, "bans.jsonl"))
			s.must("ban", "203.0.113.1")
			s.must("apply", "--host", "none")
			s.must("ban", "203.0.113.2")
			if lock == "missing" {
				if err := os.Remove(s.log + ".snap.lock"); err != nil {
					t.Fatal(err)
				}
			}
			if err := unix.Mount("", dir, "", unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
				t.Fatal(err)
			}
			if out := s.run("ban", "203.0.113.3"); out.status != 0 || !strings.Contains(out.stderr, "read-only file system; the records wait in ") {
				t.Errorf("on a read-only disk, `reconciler ban` exits %d and says: %s", out.status, out.stderr)
			}
			d := s.start()
			d.Eventually("snapshot, log and spool are enforced", func() bool {
				return s.everywhere("203.0.113.1") && s.everywhere("203.0.113.2") && s.everywhere("203.0.113.3")
			})
			if out := s.run("run", "--chain", "f2b-files-other"); out.status != 1 || !strings.Contains(out.stderr, "another reconciler works on this log") {
				t.Errorf("a second daemon on the log exits %d and says: %s", out.status, out.stderr)
			}
			if err := unix.Mount("", dir, "", unix.MS_REMOUNT, "size=4m"); err != nil {
				t.Fatal(err)
			}
			d.Eventually("the spool is in the log", func() bool {
				text, err := os.ReadFile(s.log)
				return err == nil && strings.Contains(string(text), `"203.0.113.3"`)
			})
			if status := d.Stop(syscall.SIGTERM); status != 0 {
				t.Errorf("the daemon exits %d; its log:\n%s", status, d.Said.String())
			}
		})
	}
}
