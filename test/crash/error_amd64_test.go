//go:build e2e

package crash

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"reconciler/internal/testenv"
	"reconciler/test/program"
)

// failWith makes a call fail with an error and without an effect, as a disk
// does that has gone bad.
func failWith(errno unix.Errno) interference {
	return interference{do: func(t *tracee, tid int) error {
		var regs unix.PtraceRegs
		if err := unix.PtraceGetRegs(tid, &regs); err != nil {
			return fmt.Errorf("reading the registers: %w", err)
		}
		regs.Orig_rax = ^uint64(0) // no system call has this number
		t.onExit[tid] = func() error {
			regs.Rax = uint64(-int64(errno))
			return unix.PtraceSetRegs(tid, &regs)
		}
		return unix.PtraceSetRegs(tid, &regs)
	}}
}

// wantNoticed guards against errors that never reach the process.
func wantNoticed(t *testing.T, noticed bool) {
	t.Helper()
	if !noticed {
		t.Error("no error made the process fail, so none can have reached it")
	}
}

// Whatever call fails, a ban that tells success is there, and one that does not
// has lost nothing.
func TestABanThatMeetsAnErrorAnywhereTellsTheTruth(t *testing.T) {
	for _, errno := range []unix.Errno{unix.EIO, unix.ENOSPC, unix.EROFS} {
		t.Run(errno.Error(), func(t *testing.T) {
			var path, runDir string
			ban := func(prefix string) []string {
				return []string{"ban", "--state", path, "--run-dir", runDir, "--", prefix}
			}
			arrange := func(t *testing.T) *exec.Cmd {
				path, runDir = filepath.Join(t.TempDir(), "state", "bans.jsonl"), t.TempDir()
				if err := os.Mkdir(filepath.Dir(path), 0o755); err != nil {
					t.Fatal(err)
				}
				put(t, path, program.Lines(before...))
				return exec.Command(reconcilerPath, ban("203.0.113.7")...)
			}
			noticed := false
			defer func() { wantNoticed(t, noticed) }()
			everyPoint(t, arrange, failWith(errno), func(t *testing.T, at string, done bool) {
				spooled, err := os.ReadDir(runDir)
				if err != nil {
					t.Fatal(err)
				}
				noticed = noticed || !done || len(spooled) > 0
				if done {
					program.WantAll(t, at, program.BansOf(t, path, runDir, at), "203.0.113.7/32")
				}
				run(t, ban("203.0.113.8")...)
				program.WantAll(t, at, program.BansOf(t, path, runDir, at), append(before, "203.0.113.8/32")...)
				onlyKnownFiles(t, at, filepath.Dir(path))
			})
		})
	}
}

// A compaction of which any call fails loses nothing, and the next one works.
func TestACompactionThatMeetsAnErrorAnywhereLosesNothing(t *testing.T) {
	for _, errno := range []unix.Errno{unix.EIO, unix.ENOSPC} {
		t.Run(errno.Error(), func(t *testing.T) {
			var path string
			want := manyPrefixes(300)
			arrange := func(t *testing.T) *exec.Cmd {
				path = filepath.Join(t.TempDir(), "bans.jsonl")
				put(t, path, program.Lines(want...))
				return compaction(t, path)
			}
			noticed := false
			defer func() { wantNoticed(t, noticed) }()
			everyPoint(t, arrange, failWith(errno), func(t *testing.T, at string, done bool) {
				noticed = noticed || !done
				program.WantAll(t, at, prefixesOf(t, path, at), want...)
				if out, err := compaction(t, path).CombinedOutput(); err != nil {
					t.Errorf("%s a second compaction fails: %v\n%s", at, err, out)
				}
				program.WantAll(t, at, prefixesOf(t, path, at), want...)
				onlyKnownFiles(t, at, filepath.Dir(path))
			})
		})
	}
}

// An apply of which any call fails opens no gap and touches nothing foreign;
// the next one reaches the goal.
func TestAnApplyThatMeetsAnErrorAnywhereOpensNoGap(t *testing.T) {
	testenv.Need(t, "ipset", "iptables-restore")
	var s *site
	all := manyPrefixes(12)
	first, kept, wanted := all[:8], all[3:8], all[3:]
	arrange := func(t *testing.T) *exec.Cmd {
		s = newSite(t, "--host", "ipset")
		s.args = append(s.args, "--nacl", s.acl)
		put(t, s.state, program.Lines(first...))
		s.apply(t, "before all")
		s.change(t, program.Lines(all[8:]...), all[:3])
		return s.command()
	}
	noticed := false
	defer func() { wantNoticed(t, noticed) }()
	everyPoint(t, arrange, failWith(unix.EIO), func(t *testing.T, at string, done bool) {
		noticed = noticed || !done
		s.safe(t, at, kept, all)
		if host := s.host(t); done && !slices.Equal(host, wanted) {
			t.Errorf("%s the apply tells success, and the host blocks %v", at, host)
		}
		s.mends(t, at, slices.Clone(wanted))
	})
}
