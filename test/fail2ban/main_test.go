// Package fail2ban drives the packaged action with a real fail2ban: its own
// tests of stock actions, and a server in a private directory.
package fail2ban

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"reconciler/internal/tool"
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

// need gives the path of a program of fail2ban. Without it the test is left
// out, but never where CI promises that it ran.
func need(t *testing.T, name string) string {
	t.Helper()
	path, err := tool.Find(name)
	if err == nil {
		return path
	}
	if os.Getenv("CI") == "true" {
		t.Fatalf("%v; run: sh scripts/deps.sh fail2ban", err)
	}
	t.Skipf("left out: %v; run: sh scripts/deps.sh fail2ban", err)
	return ""
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

// programs gives the recorder, and the real program once the tree has one:
// both must see the same, and the recorder refuses any word too many.
func programs(t *testing.T) []program {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	list := []program{{"the recorder", self, []string{recordEnv + "=1"}}}
	const source = "../../cmd/reconciler"
	files, err := filepath.Glob(filepath.Join(source, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	if len(files) == 0 {
		return list
	}
	path := filepath.Join(t.TempDir(), "reconciler")
	if out, err := exec.Command("go", "build", "-o", path, source).CombinedOutput(); err != nil {
		t.Fatalf("building the program: %v\n%s", err, out)
	}
	return append(list, program{"the program", path, nil})
}

func tail(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(lines[max(0, len(lines)-40):], "\n")
}
