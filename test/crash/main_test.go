//go:build e2e

// Package crash kills the real program with SIGKILL at every write, fsync,
// rename, fallocate, start of a program and call to EC2, one after the other,
// starts it again, and checks that nothing is lost and nothing wrong is left.
package crash

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"reconciler/internal/desired"
	"reconciler/internal/testenv"
	"reconciler/test/program"
)

// compactEnv makes this binary compact the log that it names: the daemon's
// step, in a process of its own that can be killed.
const compactEnv = "CRASH_COMPACT"

// reconcilerPath is the built program.
var reconcilerPath string

func TestMain(m *testing.M) {
	if path := os.Getenv(compactEnv); path != "" {
		if err := compact(path); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	var err error
	if reconcilerPath, err = program.Build("crash"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	testenv.Main(m)
}

func compact(path string) error {
	f := desired.NewFile(path)
	f.RunDir = filepath.Dir(path)
	if _, err := f.Lock(); err != nil {
		return err
	}
	if err := f.Load(context.Background(), time.Now(), false); err != nil {
		return err
	}
	_, err := f.Compact(f.Memory(), time.Now())
	return err
}

// scenario arranges a world and gives the process that is to be disturbed in it.
type scenario func(t *testing.T) *exec.Cmd

// verdict checks the world after a disturbed run; done says that the process
// has told success.
type verdict func(t *testing.T, at string, done bool)

// everyPoint runs a scenario once to its end to count its points, and then once
// for each of them, with an interference there.
func everyPoint(t *testing.T, arrange scenario, interfere interference, check verdict) {
	t.Helper()
	everyPointUntil(t, arrange, nil, interfere, check)
}

// everyPointUntil is everyPoint for a process that goes on until it is told to
// end, which is when it has reached its goal.
func everyPointUntil(t *testing.T, arrange scenario, goal func() bool, interfere interference, check verdict) {
	t.Helper()
	cmd := arrange(t)
	var said strings.Builder
	cmd.Stderr = &said
	whole, err := trace(cmd, nowhere, interfere, goal)
	if err != nil {
		t.Fatalf("%v; it said: %.4000s", err, said.String())
	}
	if whole.status != 0 {
		t.Fatalf("undisturbed, the process exits with %d: %s", whole.status, said.String())
	}
	check(t, "after its end", true)
	hits := map[string]int{}
	for _, at := range placesOf(whole.points) {
		if t.Failed() {
			break
		}
		cmd := arrange(t)
		cmd.Stderr = io.Discard // a pipe, as in the first run
		out, err := trace(cmd, at, interfere, goal)
		if err != nil {
			t.Fatal(err)
		}
		words := "after its end" // chance may leave a point out
		if out.hit {
			hits[at.String()]++
			words = fmt.Sprintf("disturbed at %s (%d)", at, at.n)
		}
		check(t, words, out.status == 0)
	}
	here := 0
	for _, times := range hits {
		here += times
	}
	if places := len(placesOf(whole.points)); goal != nil && here < places/2 {
		t.Errorf("only %d of %d places were hit: too few to show anything", here, places)
	}
	total += here
	t.Logf("%d points, %d so far: %v", here, total, hits)
	for _, p := range whole.points {
		if hits[p.String()] == 0 && goal == nil { // in a process with timers chance decides what comes
			t.Errorf("no run was disturbed at: %s", p)
		}
	}
}

// total counts the points of all scenarios.
var total int

// placesOf gives every place of a run, in its order.
func placesOf(points []point) []place {
	seen := map[point]int{}
	var out []place
	for _, p := range points {
		out = append(out, place{p, seen[p]})
		seen[p]++
	}
	return out
}
