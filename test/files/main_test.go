//go:build e2e

// Package files drives the real program over files that go wrong: a FUSE file
// system that fails, a log that is rotated under the writers, two daemons on
// one log.
package files

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"reconciler/internal/desired"
	"reconciler/internal/testenv"
)

// program is the built reconciler, whose path programEnv passes on.
var program string

const programEnv = "FILES_PROGRAM"

func TestMain(m *testing.M) {
	if err := build(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	flag.Parse()
	if err := flag.Set("test.parallel", "8"); err != nil { // most of them wait for a daemon's next look
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	testenv.Main(m)
}

// build makes the program once; the process inside the namespace finds it made.
// It is made without the race detector: it is started once for every operation
// on a file, and a start with the detector takes several times as long.
func build() (err error) {
	if program = os.Getenv(programEnv); program != "" {
		return nil
	}
	if program, err = filepath.Abs(filepath.Join("..", "..", "bin", "files", "reconciler")); err != nil {
		return err
	}
	if out, err := exec.Command("go", "build", "-o", program, "../../cmd/reconciler").CombinedOutput(); err != nil {
		return fmt.Errorf("building the program: %w\n%s", err, out)
	}
	return os.Setenv(programEnv, program)
}

// outcome is how a command ended.
type outcome struct {
	status int
	stderr string
}

// reconciler runs the program to its end.
func reconciler(t *testing.T, env []string, args ...string) outcome {
	t.Helper()
	cmd := exec.Command(program, args...)
	cmd.Env = append(os.Environ(), env...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	err := cmd.Run()
	if _, failed := errors.AsType[*exec.ExitError](err); err != nil && !failed {
		t.Fatal(err)
	}
	return outcome{cmd.ProcessState.ExitCode(), stderr.String()}
}

// lines makes bans of a day as any writer would append them.
func lines(prefixes ...string) string {
	var b strings.Builder
	for _, p := range prefixes {
		fmt.Fprintf(&b, `{"op":"ban","ip":%q,"jail":"sshd","host":"h","time":%d,"bantime":86400}`+"\n", p, time.Now().Unix())
	}
	return b.String()
}

func put(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o640); err != nil {
		t.Fatal(err)
	}
}

// bansOf gives what a reader of the log and its spool wants, and demands that
// both can be read.
func bansOf(t *testing.T, path, runDir, at string) []string {
	t.Helper()
	f := desired.NewFile(path)
	f.RunDir = runDir
	defer func() { _ = f.Close() }()
	if err := f.Load(t.Context(), time.Now(), false); err != nil {
		t.Errorf("%s the log cannot be read: %v", at, err)
	}
	var out []string
	for _, b := range desired.Union(time.Now(), f.Fold()).Bans {
		out = append(out, b.Prefix.String())
	}
	return out
}

func wantAll(t *testing.T, at string, have []string, want ...string) {
	t.Helper()
	for _, p := range want {
		if !slices.Contains(have, p) {
			t.Errorf("%s the ban of %s is lost; there are %v", at, p, have)
		}
	}
}
