package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

// The verdicts on a mutant.
const (
	killed   = "killed"
	survived = "SURVIVED"
	failed   = "ERROR"
)

// trial tries mutants in one copy of the module.
type trial struct {
	dir   string
	limit time.Duration
	base  map[string]string // by tests: what is wrong with them unpatched; empty: nothing
}

// try applies the patch to the copy, tests it, and takes the patch back.
func (t *trial) try(ctx context.Context, m mutant) (verdict, words string) {
	// Tests that fail without the patch would seem to kill everything.
	if words := t.baseline(ctx, m.tests); words != "" {
		return failed, words
	}
	if out, err := command(ctx, t.dir, "git", "apply", "-p1", m.path); err != nil {
		return failed, "the patch does not apply: " + last(out, err)
	}
	defer func() {
		if out, err := command(ctx, t.dir, "git", "apply", "-R", "-p1", m.path); err != nil {
			verdict, words = failed, "the patch cannot be taken back: "+last(out, err)
		}
	}()
	// Nothing is run yet: a mutant that does not compile has proved nothing.
	if out, err := command(ctx, t.dir, "go", append([]string{"test", "-run", "^$"}, packages(m.tests)...)...); err != nil {
		return failed, "the mutant does not compile: " + last(out, err)
	}
	out, err := t.test(ctx, m.tests)
	if err == nil {
		return survived, "all tests of " + strings.Join(m.tests, " ") + " pass"
	}
	if match := failedTest.FindSubmatch(out); match != nil {
		return killed, "by " + string(match[1])
	}
	if strings.Contains(string(out), "panic: ") {
		return killed, "by a panic or the time limit"
	}
	return failed, "go test failed without a failed test: " + last(out, err)
}

// baseline runs the tests without a patch, once, and says what is wrong.
func (t *trial) baseline(ctx context.Context, tests []string) string {
	key := strings.Join(tests, " ")
	if words, ok := t.base[key]; ok {
		return words
	}
	words := ""
	if out, err := t.test(ctx, tests); err != nil {
		words = "without the patch " + key + " fails: " + last(out, err)
		if match := failedTest.FindSubmatch(out); match != nil {
			words = "without the patch " + string(match[1]) + " fails"
		}
	} else if strings.Contains(string(out), "no tests to run") {
		words = key + " names no test"
	}
	t.base[key] = words
	return words
}

func (t *trial) test(ctx context.Context, tests []string) ([]byte, error) {
	return command(ctx, t.dir, "go", append([]string{"test", "-count=1", "-failfast", "-timeout", t.limit.String()}, tests...)...)
}

var failedTest = regexp.MustCompile(`(?m)^--- FAIL: (\S+)`)

// packages leaves the flags out.
func packages(args []string) []string {
	return slices.DeleteFunc(slices.Clone(args), func(a string) bool { return !strings.HasPrefix(a, "./") })
}

func command(ctx context.Context, dir, name string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	// The copy lies outside of every repository; git must not look for one above it.
	cmd.Env = append(os.Environ(), "GIT_CEILING_DIRECTORIES="+filepath.Dir(dir), "GOFLAGS=-buildvcs=false")
	return cmd.CombinedOutput()
}

func last(out []byte, err error) string {
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	return fmt.Sprintf("%v: %s", err, lines[len(lines)-1])
}

// copyModule copies what the tests need: the sources and their data.
func copyModule(from, to string) error {
	entries, err := os.ReadDir(from)
	if err != nil {
		return err
	}
	for _, e := range entries {
		name := e.Name()
		switch {
		case strings.HasPrefix(name, ".") || name == "bin" || name == "dist":
		case e.IsDir():
			err = os.CopyFS(filepath.Join(to, name), os.DirFS(filepath.Join(from, name)))
		case name == "go.mod" || name == "go.sum":
			err = copyFile(from, to, name)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func copyFile(from, to, name string) error {
	data, err := os.ReadFile(filepath.Join(from, name))
	if err != nil {
		return err
	}
	root, err := os.OpenRoot(to)
	if err != nil {
		return err
	}
	return errors.Join(root.WriteFile(name, data, 0o600), root.Close())
}
