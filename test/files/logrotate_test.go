//go:build e2e

package files

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"reconciler/internal/testenv"
)

// Whoever lists the log with logrotate, against the advice, loses nothing, and
// bans go on: from then on the daemon trusts its snapshot and reads what is new.
func TestALogThatLogrotateTurnsOverLosesNothing(t *testing.T) {
	t.Parallel()
	testenv.NeedRoot(t)
	rotate := testenv.NeedProgram(t, "logrotate")
	for name, directives := range map[string]string{
		"create":       "create 0640 root root",
		"nocreate":     "nocreate",
		"copytruncate": "copytruncate",
		"compress":     "compress\ncreate 0640 root root",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			s := newSite(t, filepath.Join(dir, "bans.jsonl"))
			d := s.start()
			s.must("ban", "203.0.113.1", "203.0.113.2")
			d.Eventually("the first bans are enforced", func() bool { return s.everywhere("203.0.113.1") && s.everywhere("203.0.113.2") })
			rules := filepath.Join(t.TempDir(), "rules")
			put(t, rules, fmt.Sprintf("%q {\nrotate 3\nsu root root\n%s\n}\n", s.log, directives))
			if out, err := exec.Command(rotate, "--force", "--state", rules+".state", rules).CombinedOutput(); err != nil { //nolint:noctx // it ends by itself
				t.Fatalf("logrotate: %v\n%s", err, out)
			}
			if kept, err := filepath.Glob(s.log + ".1*"); err != nil || len(kept) == 0 {
				t.Fatalf("logrotate turned nothing over (%v)", err)
			}
			s.must("ban", "203.0.113.3")
			d.Eventually("what is banned then is enforced", func() bool { return s.everywhere("203.0.113.3") })
			s.must("unban", "203.0.113.2")
			d.Eventually("a ban of the old log can be lifted", func() bool { return !s.onHost("203.0.113.2") && !s.inACL("203.0.113.2") })
			if !s.everywhere("203.0.113.1") {
				t.Error("the rotation has lifted a ban")
			}
			d.Stop(syscall.SIGTERM)
			if err := os.Remove(s.log); err != nil { // the next start has the snapshot alone
				t.Fatal(err)
			}
			next := s.start()
			next.Says(0, "enforced")
			if !s.everywhere("203.0.113.1") || !s.everywhere("203.0.113.3") || s.onHost("203.0.113.2") {
				t.Error("after a restart something else is enforced")
			}
		})
	}
}
