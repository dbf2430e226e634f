package main

import (
	"bytes"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"reconciler/internal/testenv"
)

// Whoever may not read the state is not told how to be rid of it, nor that
// nothing is banned.
func TestEveryCommandThatRootIsNeededForSaysSo(t *testing.T) {
	t.Parallel()
	if able, err := scriptCondition("chown"); err != nil || !able {
		testenv.LeaveOut(t, "it becomes another user, which root alone can (%v)", err)
	}
	s := newSite(t)
	public := t.TempDir()
	for dir := public; dir != "/tmp" && dir != "/"; dir = filepath.Dir(dir) {
		chmod(t, dir, 0o755)
	}
	program := filepath.Join(public, programName)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(self)
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, program, string(text))
	chmod(t, program, 0o755)
	state := filepath.Join(public, "state", "bans.jsonl")
	if err := os.Mkdir(filepath.Dir(state), 0o750); err != nil {
		t.Fatal(err)
	}
	s.env = append(s.env, "RECONCILER_STATE="+state, "RECONCILER_CONFIG="+filepath.Join(public, "none.yaml"))
	writeFile(t, filepath.Join(public, "none.yaml"), "")
	chmod(t, filepath.Join(public, "none.yaml"), 0o644)
	s.must("ban", "203.0.113.7")
	s.must("apply")
	for _, open := range []fs.FileMode{0o750, 0o755} { // the directory is shut, or the files in it are
		chmod(t, filepath.Dir(state), open)
		for _, args := range [][]string{
			{"status"},
			{"status", "203.0.113.7"},
			{"status", "-o", "json"},
			{"plan"},
			{"acl"},
			{"apply"},
			{"ban", "203.0.113.9"},
			{"unban", "203.0.113.7"},
			{"pause"},
			{"teardown"},
		} {
			cmd := exec.Command(program, args...)
			cmd.Args[0], cmd.Env, cmd.Dir = programName, s.env, "/"
			cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
			var stdout, stderr bytes.Buffer
			cmd.Stdout, cmd.Stderr = &stdout, &stderr
			_ = cmd.Run() // its status is looked at below
			name := strings.Join(args, " ")
			if want := "run it as root: sudo reconciler " + name + "\n"; cmd.ProcessState.ExitCode() != 1 || !strings.HasSuffix(stderr.String(), want) {
				t.Errorf("%o: `reconciler %s` as nobody exits %d and says %q, want 1 and %q", open, name, cmd.ProcessState.ExitCode(), stderr.String(), want)
			}
			if out := stdout.String() + stderr.String(); strings.Contains(out, "away") || strings.Contains(out, "No bans") || strings.Contains(out, "No changes") {
				t.Errorf("%o: `reconciler %s` as nobody says: %s", open, name, out)
			}
		}
	}
}

func chmod(t *testing.T, path string, mode fs.FileMode) {
	t.Helper()
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}
