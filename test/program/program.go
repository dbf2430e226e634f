//go:build e2e

// Package program builds the program for the tests that run it as people do,
// and looks at what it leaves.
package program

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"reconciler/internal/desired"
)

// pathEnv passes the path of the built program on to the process that runs
// inside the namespace.
const pathEnv = "TEST_PROGRAM"

// Build makes the program once, in the repository's bin, below a directory for
// the package of the tests, and gives its path. It is made without the race
// detector: that one needs cgo, whose runtime makes and orders system calls in
// its own way, and a start with it takes several times as long.
func Build(tests string) (string, error) {
	if path := os.Getenv(pathEnv); path != "" {
		return path, nil
	}
	path, err := filepath.Abs(filepath.Join("..", "..", "bin", tests, "reconciler"))
	if err != nil {
		return "", err
	}
	if out, err := exec.Command("go", "build", "-o", path, "../../cmd/reconciler").CombinedOutput(); err != nil { //nolint:noctx // a build ends by itself
		return "", fmt.Errorf("building the program: %w\n%s", err, out)
	}
	return path, os.Setenv(pathEnv, path)
}

// Lines makes bans of a day as any writer would append them.
func Lines(prefixes ...string) string {
	var b strings.Builder
	for _, p := range prefixes {
		fmt.Fprintf(&b, `{"op":"ban","ip":%q,"jail":"sshd","host":"h","time":%d,"bantime":86400}`+"\n", p, time.Now().Unix())
	}
	return b.String()
}

// BansOf gives what a reader of the log and its spool wants, and demands that
// both can be read.
func BansOf(t *testing.T, path, runDir, at string) []string {
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

// WantAll demands that no ban is lost.
func WantAll(t *testing.T, at string, have []string, want ...string) {
	t.Helper()
	for _, p := range want {
		if !slices.Contains(have, p) {
			t.Errorf("%s the ban of %s is lost; there are %v", at, p, have)
		}
	}
}
