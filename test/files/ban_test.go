//go:build e2e

package files

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"reconciler/internal/testenv"
	"reconciler/test/program"
)

// before are the bans that are in the log when a scenario begins.
var before = []string{"198.51.100.1/32", "198.51.100.2/32", "2001:db8::1/128"}

// faults are what a disk can do wrong, at one operation or from it on.
var faults = map[string]fault{
	"an error once":              {Errno: unix.EIO, Count: 1},
	"a disk that is gone":        {Errno: unix.EIO},
	"no room":                    {Errno: unix.ENOSPC},
	"read-only from then on":     {Errno: unix.EROFS},
	"half a write":               {Errno: unix.ENOSPC, Short: true, Count: 1},
	"half a write and then none": {Errno: unix.ENOSPC, Short: true},
	"a sync that loses bytes":    {Errno: unix.EIO, Drop: true, Count: 1},
}

// Whatever operation of the log's file system fails, once or from then on, a
// ban that exits 0 is in the log or in the spool; one that does not says what
// failed. Neither has lost an earlier ban, and the next one is read.
func TestABanOverAFailingDiskTellsTheTruth(t *testing.T) {
	t.Parallel()
	testenv.Need(t)
	const torn = `{"op":"ban","ip":"198.5`
	for name, b := range map[string]banOverDisk{
		"in a log":                 {existing: program.Lines(before...)},
		"after a torn line":        {existing: program.Lines(before...) + torn},
		"as the first":             {},
		"with a spool to move":     {existing: program.Lines(before...), waiting: true},
		"with a spool beside them": {existing: program.Lines(before...), beside: true},
	} {
		for what, f := range faults {
			if b.existing != program.Lines(before...) && f.Errno == unix.EROFS {
				continue // takes the way of a full disk
			}
			t.Run(name+"/"+what, func(t *testing.T) {
				t.Parallel()
				b := b
				b.disk, b.fault = newDisk(t), f
				b.everyOperation(t)
			})
		}
	}
}

type banOverDisk struct {
	*disk
	existing string
	waiting  bool // a record waits in the spool
	beside   bool // the spool is on the failing disk too
	fault    fault
	runDir   string
	log      string // the log's path below the disk
}

func (b *banOverDisk) args(prefix string) []string {
	return []string{"ban", "--state", filepath.Join(b.Dir, b.log), "--run-dir", b.runDir, "--", prefix}
}

// everyOperation lets each operation of a ban fail, one after the other, until
// one ban meets no fault any more.
func (b *banOverDisk) everyOperation(t *testing.T) {
	refused, spooled := 0, 0
	for n := 0; !t.Failed(); n++ {
		b.arrange(t, n)
		b.fault.From = n
		b.arm(b.fault)
		out := reconciler(t, nil, b.args("203.0.113.7")...)
		calls := b.trail()
		if b.heal() == 0 {
			b.check(t, "with no fault", out)
			t.Logf("%d operations; %d bans were spooled, %d refused", n, spooled, refused)
			if n == 0 || n > 200 {
				t.Errorf("a ban meets %d operations that can fail, want some", n)
			}
			return
		}
		b.check(t, fmt.Sprintf("with %v from operation %d on (of %v)", b.fault, n, calls), out)
		if out.status != 0 {
			refused++
		} else if strings.Contains(out.stderr, "wait in") {
			spooled++
		}
	}
}

// arrange puts a log into a directory that the kernel has not seen yet.
func (b *banOverDisk) arrange(t *testing.T, n int) {
	t.Helper()
	b.log = filepath.Join(fmt.Sprintf("n%d", n), "bans.jsonl")
	b.runDir = filepath.Join(t.TempDir(), "run")
	if b.beside {
		b.runDir = filepath.Join(b.Dir, fmt.Sprintf("run%d", n))
	}
	if b.existing == "" {
		return
	}
	dir := filepath.Join(b.Back, filepath.Dir(b.log))
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	put(t, filepath.Join(b.Back, b.log), b.existing)
	if b.waiting {
		b.arm(fault{Errno: unix.EROFS})
		if out := reconciler(t, nil, b.args("203.0.113.6")...); out.status != 0 {
			t.Fatalf("on a read-only disk a ban exits %d: %s", out.status, out.stderr)
		}
		b.heal()
	}
}

// check looks past the disk at what a ban has left, and bans once more.
func (b *banOverDisk) check(t *testing.T, at string, out outcome) {
	t.Helper()
	path := filepath.Join(b.Back, b.log)
	want := []string{"203.0.113.8/32"}
	if b.existing != "" {
		want = append(want, before...)
	}
	if b.waiting {
		want = append(want, "203.0.113.6/32")
	}
	switch out.status {
	case 0:
		want = append(want, "203.0.113.7/32")
	case 1:
		if !isClear(out.stderr, b.fault) {
			t.Errorf("%s the ban fails and does not say clearly why: %q", at, out.stderr)
		}
	default:
		t.Errorf("%s the ban exits %d: %s", at, out.status, out.stderr)
	}
	if next := reconciler(t, nil, b.args("203.0.113.8")...); next.status != 0 || next.stderr != "" {
		t.Errorf("%s, and the disk well again, the next ban exits %d and says %q", at, next.status, next.stderr)
	}
	// The spool is named after the path below the disk, and is in the log by now.
	program.WantAll(t, at, program.BansOf(t, path, b.runDir, at), want...)
	if left, err := os.ReadDir(b.runDir); err == nil && len(left) > 0 {
		t.Errorf("%s the spool is still there after the next ban: %v", at, left)
	}
}

// isClear says that a message tells of the log and of the cause, in lines of ours.
func isClear(message string, f fault) bool {
	for line := range strings.Lines(message) {
		if !strings.HasPrefix(line, "reconciler: appending to ") {
			return false
		}
	}
	cause := f.Errno.Error()
	if f.Short {
		cause = "short write"
	}
	return strings.Contains(message, "bans.jsonl") && strings.Contains(message, cause)
}
