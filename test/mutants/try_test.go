package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const (
	module   = "module m\n\ngo 1.24\n"
	source   = "package m\n\nfunc one() int { return 1 }\n"
	watching = "package m\n\nimport \"testing\"\n\nfunc TestOne(t *testing.T) {\n\tif one() != 1 {\n\t\tt.Fail()\n\t}\n}\n"
	blind    = "package m\n\nimport \"testing\"\n\nfunc TestOne(*testing.T) { one() }\n"
	red      = "package m\n\nimport \"testing\"\n\nfunc TestRed(t *testing.T) { t.Fail() }\n"
	breaks   = "What: one is two\nTest: .\n\n--- a/m.go\n+++ b/m.go\n@@ -3,1 +3,1 @@\n-func one() int { return 1 }\n+func one() int { return 2 }\n"
)

// A verdict is worth something only when the same tests pass without the patch.
func TestVerdicts(t *testing.T) {
	for name, c := range map[string]struct{ test, args, verdict, words string }{
		"the tests see the break":        {watching, "./", killed, "by TestOne"},
		"the tests do not see the break": {blind, "./", survived, "pass"},
		"the tests fail all the same":    {red, "./", failed, "without the patch TestRed fails"},
		"the tests do not compile":       {"package m\n\nvar x = y\n", "./", failed, "without the patch ./ fails"},
		"there is no such test":          {watching, "-run TestTwo ./", failed, "names no test"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			patch := filepath.Join(t.TempDir(), "m.patch")
			for path, text := range map[string]string{
				filepath.Join(dir, "go.mod"): module, filepath.Join(dir, "m.go"): source,
				filepath.Join(dir, "m_test.go"): c.test, patch: breaks,
			} {
				if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			trial := trial{dir: dir, limit: time.Minute, base: map[string]string{}}
			for range 2 { // what is known of the tests is asked once
				verdict, words := trial.try(t.Context(), mutant{name: "m", path: patch, tests: strings.Fields(c.args)})
				if verdict != c.verdict || !strings.Contains(words, c.words) {
					t.Errorf("%s: %s, want %s: …%s…", verdict, words, c.verdict, c.words)
				}
			}
			if got, err := os.ReadFile(filepath.Join(dir, "m.go")); err != nil || string(got) != source {
				t.Errorf("the copy is left broken: %s (%v)", got, err)
			}
		})
	}
}

// A patch that the code has moved away from breaks nothing any more.
func TestEveryPatchApplies(t *testing.T) {
	const top = "../.."
	mutants, err := load("patches", "")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := copyModule(top, dir); err != nil {
		t.Fatal(err)
	}
	for _, m := range mutants {
		if out, err := command(t.Context(), dir, "git", "apply", "--check", "-p1", m.path); err != nil {
			t.Errorf("%s does not apply, so mend it: %s", m.name, last(out, err))
		}
	}
}
