// Package fail2ban drives the packaged action with a real fail2ban: its own
// tests of stock actions, and a server in a private directory.
package fail2ban

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// deploy holds what we ship for fail2ban.
const deploy = "../../deploy/fail2ban"

// TestMain lets this test binary stand in for the program that fail2ban runs.
func TestMain(m *testing.M) {
	if os.Getenv(recordEnv) != "" {
		os.Exit(record(os.Args[1:]))
	}
	os.Exit(m.Run())
}

// configDir makes a copy of fail2ban's own configuration with our action in
// it and without any jail.
func configDir(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "fail2ban")
	if err := os.CopyFS(dir, os.DirFS("/etc/fail2ban")); err != nil {
		t.Fatalf("copying the configuration of fail2ban: %v", err)
	}
	for _, local := range []string{"jail.d", "jail.local", "fail2ban.d", "fail2ban.local", "action.d/reconciler.local"} {
		if err := os.RemoveAll(filepath.Join(dir, local)); err != nil {
			t.Fatal(err)
		}
	}
	action, err := os.ReadFile(filepath.Join(deploy, "action.d", "reconciler.conf"))
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "action.d", "reconciler.conf"), string(action))
	return dir
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// program is what the action runs.
type program struct {
	name string
	path string
	env  []string
}

// programs gives the recorder and the real program: both must see the same,
// and the recorder refuses any word too many.
func programs(t *testing.T) []program {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "reconciler")
	if out, err := exec.Command("go", "build", "-o", path, "../../cmd/reconciler").CombinedOutput(); err != nil {
		t.Fatalf("building the program: %v\n%s", err, out)
	}
	return []program{{"the recorder", self, []string{recordEnv + "=1"}}, {"the program", path, nil}}
}

func tail(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(lines[max(0, len(lines)-40):], "\n")
}
