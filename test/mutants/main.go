// Command mutants breaks the code on purpose, one patch at a time, and says
// which of the breaks the tests notice. Each file of patches/ is a unified diff
// below a head that tells what is broken and which packages have to fail:
//
//	What: deletes come before what replaces them
//	Test: ./internal/plan
//
// The module is copied first and the copy is what is broken. A patch that no
// longer applies, or that does not compile, is an error: mend the patch. So is
// a suite that fails without it, for that would kill everything. The exit
// status is 1 when a mutant survives or is in error.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"time"
)

func main() { os.Exit(status()) }

func status() int {
	run := flag.String("run", "", "only the patches whose name contains this `TEXT`")
	limit := flag.Duration("limit", 5*time.Minute, "the longest that the tests of one mutant may take")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := all(ctx, *run, *limit); err != nil {
		fmt.Fprintln(os.Stderr, "mutants:", err)
		return 1
	}
	return 0
}

// errLeft is the cause when not every mutant was killed.
var errLeft = errors.New("not every mutant was killed")

func all(ctx context.Context, run string, limit time.Duration) (err error) {
	mutants, err := load(filepath.Join("test", "mutants", "patches"), run)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "mutants-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if err := copyModule(".", dir); err != nil {
		return fmt.Errorf("copying the module: %w", err)
	}
	counts, t := map[string]int{}, trial{dir: dir, limit: limit, base: map[string]string{}}
	for _, m := range mutants {
		began := time.Now()
		verdict, words := t.try(ctx, m)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		counts[verdict]++
		fmt.Printf("%-8s %-28s %s (%s, %s)\n", verdict, m.name, m.what, words, time.Since(began).Round(time.Second))
	}
	fmt.Printf("mutants: %d, killed %d, survived %d, errors %d\n", len(mutants), counts[killed], counts[survived], counts[failed])
	if counts[killed] < len(mutants) {
		return errLeft
	}
	return nil
}

// mutant is one patch.
type mutant struct {
	name, path string
	what       string
	tests      []string // arguments of go test
}

func load(dir, run string) ([]mutant, error) {
	paths, err := filepath.Glob(filepath.Join(dir, "*.patch"))
	if err != nil {
		return nil, err
	}
	var out []mutant
	for _, path := range paths {
		m := mutant{name: strings.TrimSuffix(filepath.Base(path), ".patch")}
		if !strings.Contains(m.name, run) {
			continue
		}
		if err := m.read(path); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		out = append(out, m)
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("no patch in %s has %q in its name; run it at the top of the tree", dir, run)
	}
	return out, nil
}

// read takes the head of a patch.
func (m *mutant) read(path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if m.path, err = filepath.Abs(path); err != nil {
		return err
	}
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "--- ") {
			break
		}
		if what, ok := strings.CutPrefix(line, "What: "); ok {
			m.what = strings.TrimSpace(what)
		}
		if tests, ok := strings.CutPrefix(line, "Test: "); ok {
			m.tests = strings.Fields(tests)
		}
	}
	if m.what == "" || len(m.tests) == 0 {
		return errors.New("its head lacks a line What: or Test")
	}
	return nil
}
