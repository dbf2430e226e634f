//go:build e2e

package crash

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"reconciler/internal/testenv"
	"reconciler/test/program"
)

// before are the bans that are in the log when a scenario begins.
var before = []string{"198.51.100.1/32", "198.51.100.2/32", "2001:db8::1/128"}

func put(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o640); err != nil {
		t.Fatal(err)
	}
}

// prefixesOf gives what a reader of the log wants, and demands that it is well.
func prefixesOf(t *testing.T, path, at string) []string {
	t.Helper()
	return program.BansOf(t, path, filepath.Dir(path), at)
}

// run runs the program to its end, undisturbed.
func run(t *testing.T, args ...string) {
	t.Helper()
	if out, err := exec.Command(reconcilerPath, args...).CombinedOutput(); err != nil {
		t.Errorf("reconciler %v: %v\n%s", args, err, out)
	}
}

// A ban that is killed anywhere loses no earlier ban, and the next ban is read.
// One that exits 0 is there.
func TestABanThatDiesAnywhereLosesNothing(t *testing.T) {
	for name, existing := range map[string]string{
		"in a log": program.Lines(before...), "after a torn line": program.Lines(before...) + `{"op":"ban","ip":"198.5`, "as the first": "",
	} {
		t.Run(name, func(t *testing.T) {
			var path string
			arrange := func(t *testing.T) *exec.Cmd {
				path = filepath.Join(t.TempDir(), "state", "bans.jsonl")
				if existing != "" {
					if err := os.Mkdir(filepath.Dir(path), 0o755); err != nil {
						t.Fatal(err)
					}
					put(t, path, existing)
				}
				return exec.Command(reconcilerPath, "ban", "--state", path, "--run-dir", filepath.Dir(path), "--", "203.0.113.7")
			}
			everyPoint(t, arrange, kill, func(t *testing.T, at string, done bool) {
				if done {
					program.WantAll(t, at, prefixesOf(t, path, at), "203.0.113.7/32")
				}
				run(t, "ban", "--state", path, "--run-dir", filepath.Dir(path), "--", "203.0.113.8")
				want := []string{"203.0.113.8/32"}
				if existing != "" {
					want = append(want, before...)
				}
				program.WantAll(t, at, prefixesOf(t, path, at), want...)
				onlyKnownFiles(t, at, filepath.Dir(path))
			})
		})
	}
}

// fullDisk mounts a file system without room, with a log of some bans on it.
func fullDisk(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=64k,mode=755"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	put(t, filepath.Join(dir, "bans.jsonl"), program.Lines(before...))
	rest := make([]byte, 256<<10)
	_ = os.WriteFile(filepath.Join(dir, "ballast"), rest, 0o600) // until it is full
	log, err := os.OpenFile(filepath.Join(dir, "bans.jsonl"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	for err == nil { // the last page of the log too
		_, err = log.WriteString(program.Lines("198.51.100.1/32"))
	}
	_ = log.Close()
	return dir
}

// On a full disk a ban goes to the spool; killed anywhere, it loses nothing,
// and neither does the move back to the log once there is room.
func TestTheSpoolSurvivesDeathAnywhere(t *testing.T) {
	testenv.Need(t)
	var dir, runDir string
	ban := func(prefix string) []string {
		return []string{"ban", "--state", filepath.Join(dir, "bans.jsonl"), "--run-dir", runDir, "--", prefix}
	}
	have := func(t *testing.T, at string) []string {
		return program.BansOf(t, filepath.Join(dir, "bans.jsonl"), runDir, at)
	}
	t.Run("filling", func(t *testing.T) {
		arrange := func(t *testing.T) *exec.Cmd {
			dir, runDir = fullDisk(t), filepath.Join(t.TempDir(), "run")
			return exec.Command(reconcilerPath, ban("203.0.113.7")...)
		}
		everyPoint(t, arrange, kill, func(t *testing.T, at string, done bool) {
			if done {
				program.WantAll(t, at, have(t, at), "203.0.113.7/32")
			}
			run(t, ban("203.0.113.8")...)
			program.WantAll(t, at, have(t, at), append(before, "203.0.113.8/32")...)
		})
	})
	t.Run("emptying", func(t *testing.T) {
		arrange := func(t *testing.T) *exec.Cmd {
			dir, runDir = fullDisk(t), filepath.Join(t.TempDir(), "run")
			run(t, ban("203.0.113.7")...)
			if err := unix.Mount("tmpfs", dir, "tmpfs", unix.MS_REMOUNT, "size=1m"); err != nil {
				t.Fatal(err)
			}
			return exec.Command(reconcilerPath, ban("203.0.113.9")...)
		}
		everyPoint(t, arrange, kill, func(t *testing.T, at string, done bool) {
			program.WantAll(t, at, have(t, at), append(before, "203.0.113.7/32")...)
			if done {
				program.WantAll(t, at, have(t, at), "203.0.113.9/32")
			}
			run(t, ban("203.0.113.8")...)
			program.WantAll(t, at, have(t, at), append(before, "203.0.113.7/32", "203.0.113.8/32")...)
		})
	})
}

// onlyKnownFiles demands that nothing but the log and its derived files is left.
func onlyKnownFiles(t *testing.T, at, dir string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !slices.Contains([]string{"bans.jsonl", "bans.jsonl.snap", "bans.jsonl.snap.lock", "bans.jsonl.snap.held", "bans.jsonl.config"}, e.Name()) {
			t.Errorf("%s a file is left: %s", at, e.Name())
		}
	}
}

// A compaction that is killed anywhere loses no ban, not even one that is
// written by somebody who opened the log before it.
func TestACompactionThatDiesAnywhereLosesNothing(t *testing.T) {
	var path string
	var want []string
	var writer *os.File
	arrange := func(t *testing.T) *exec.Cmd {
		path = filepath.Join(t.TempDir(), "bans.jsonl")
		want = manyPrefixes(300)
		put(t, path, program.Lines(want...))
		var err error
		if writer, err = os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = writer.Close() })
		return compaction(t, path)
	}
	everyPoint(t, arrange, kill, func(t *testing.T, at string, _ bool) {
		if _, err := writer.WriteString(program.Lines("203.0.113.7/32")); err != nil {
			t.Fatal(err)
		}
		program.WantAll(t, at, prefixesOf(t, path, at), append(want, "203.0.113.7/32")...)
		if out, err := compaction(t, path).CombinedOutput(); err != nil {
			t.Errorf("%s a second compaction fails: %v\n%s", at, err, out)
		}
		have := prefixesOf(t, path, at+", after another compaction,")
		program.WantAll(t, at, have, append(want, "203.0.113.7/32")...)
		if len(have) != len(want)+1 {
			t.Errorf("%s there are %d bans, want %d", at, len(have), len(want)+1)
		}
		onlyKnownFiles(t, at, filepath.Dir(path))
	})
}

// compaction is this binary as the daemon's step that compacts a log.
func compaction(t *testing.T, path string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), compactEnv+"="+path)
	return cmd
}
