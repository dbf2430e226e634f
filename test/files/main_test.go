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
	"testing"

	"reconciler/internal/testenv"
	"reconciler/test/program"
)

// reconcilerPath is the built program.
var reconcilerPath string

func TestMain(m *testing.M) {
	var err error
	if reconcilerPath, err = program.Build("files"); err != nil {
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

// outcome is how a command ended.
type outcome struct {
	status int
	stderr string
}

// reconciler runs the program to its end.
func reconciler(t *testing.T, env []string, args ...string) outcome {
	t.Helper()
	cmd := exec.Command(reconcilerPath, args...)
	cmd.Env = append(os.Environ(), env...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	err := cmd.Run()
	if _, failed := errors.AsType[*exec.ExitError](err); err != nil && !failed {
		t.Fatal(err)
	}
	return outcome{cmd.ProcessState.ExitCode(), stderr.String()}
}

func put(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o640); err != nil {
		t.Fatal(err)
	}
}
