// Package docs holds the documentation to what it claims about the tests.
package docs

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// evidence is how a test, a fuzz target or a script is named in the text.
var evidence = regexp.MustCompile("`((?:Test|Fuzz)[A-Z][A-Za-z0-9_]*|[a-z0-9_]+\\.txtar)`")

func TestEveryTestThatTheThreatModelNamesExists(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "security.md"))
	if err != nil {
		t.Fatal(err)
	}
	have := namesOfTests(t)
	named := evidence.FindAllSubmatch(text, -1)
	if len(named) < 50 {
		t.Fatalf("docs/security.md names %d tests; the pattern or the page is broken", len(named))
	}
	for _, match := range named {
		if name := string(match[1]); !have[name] {
			t.Errorf("docs/security.md names %s, which does not exist", name)
		}
	}
}

// A threat without a test is a claim.
func TestEveryThreatNamesATest(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "security.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, threats, found := strings.Cut(string(text), "\n## Threats\n")
	threats, _, ends := strings.Cut(threats, "\n## ")
	if !found || !ends {
		t.Fatal("docs/security.md has no section of threats")
	}
	for line := range strings.Lines(threats) {
		row := strings.HasPrefix(line, "| ") && !strings.HasPrefix(line, "| threat ")
		if row && !evidence.MatchString(line) {
			t.Errorf("no test shows the defence of: %s", line)
		}
	}
}

var declared = regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)\(`)

// namesOfTests gives all tests, fuzz targets and scripts of the tree.
func namesOfTests(t *testing.T) map[string]bool {
	t.Helper()
	names := map[string]bool{}
	err := filepath.WalkDir(filepath.Join("..", ".."), func(path string, e fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist): // another test's scratch file has gone meanwhile
			return nil
		case err != nil:
			return err
		case e.IsDir() && strings.HasPrefix(e.Name(), ".") && len(e.Name()) > 2:
			return fs.SkipDir
		case strings.HasSuffix(path, ".txtar"):
			names[e.Name()] = true
		case strings.HasSuffix(path, "_test.go"):
			source, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			for _, match := range declared.FindAllSubmatch(source, -1) {
				names[string(match[1])] = true
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}
