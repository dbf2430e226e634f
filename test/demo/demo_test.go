//go:build e2e

// Package demo runs `make demo` as a stranger does.
package demo

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"reconciler/internal/testenv"
	"reconciler/internal/tool"
)

// patience bounds one run of the demo with its build.
const patience = 5 * time.Minute

// leastChecks is how many checks the whole demo makes at least: one that ends
// early must not pass for a good one.
const leastChecks = 33

var summary = regexp.MustCompile(`(?m)^(\d+) passed, (\d+) failed, in \d+\.\d\d s\.$`)

func TestTheDemoPassesAllItsChecks(t *testing.T) {
	needNamespace(t)
	demo := start(t)
	err := demo.wait()
	out := demo.output.String()
	if err != nil {
		t.Fatalf("make demo ended with %v:\n%s", err, out)
	}
	m := summary.FindStringSubmatch(out)
	if m == nil {
		t.Fatalf("make demo printed no summary:\n%s", out)
	}
	if passed, err := strconv.Atoi(m[1]); err != nil || passed < leastChecks || m[2] != "0" {
		t.Errorf("the summary is %q; want %d checks or more and no failure:\n%s", m[0], leastChecks, out)
	}
	if passed := strings.Count(out, "✓"); strconv.Itoa(passed) != m[1] || strings.Contains(out, "✗") {
		t.Errorf("the summary is %q, but %d checks are marked as passed:\n%s", m[0], passed, out)
	}
	if strings.Contains(out, "\x1b") {
		t.Errorf("make demo colours its output although it goes to no terminal:\n%q", out)
	}
	if _, err := tool.Find("fail2ban-server"); err == nil && !strings.Contains(out, "✓ fail2ban ") {
		t.Errorf("fail2ban is installed, but the demo did not use it:\n%s", out)
	}
	demo.expectNothingLeft()
}

func TestAnInterruptedDemoLeavesNothing(t *testing.T) {
	needNamespace(t)
	for name, signal := range map[string]func(pid int) error{
		"Ctrl-C":              func(pid int) error { return syscall.Kill(-pid, syscall.SIGINT) },
		"SIGTERM to the demo": terminateDemo,
	} {
		t.Run(name, func(t *testing.T) {
			demo := start(t)
			demo.waitUntilItPrints("2. Plan and apply")
			if err := signal(demo.cmd.Process.Pid); err != nil {
				t.Fatal(err)
			}
			if err := demo.wait(); err == nil {
				t.Errorf("an interrupted demo ended with status 0:\n%s", demo.output.String())
			}
			if summary.MatchString(demo.output.String()) {
				t.Errorf("the demo went on to its end:\n%s", demo.output.String())
			}
			demo.expectNothingLeft()
		})
	}
}

// terminateDemo signals the script alone, below the make with this ID.
func terminateDemo(pid int) error {
	for _, p := range processes(func(p process) bool {
		return p.group == pid && strings.Contains(p.command, "sh scripts/demo.sh")
	}) {
		if err := syscall.Kill(p.id, syscall.SIGTERM); err != nil {
			return err
		}
	}
	return nil
}

// run is one run of the demo, all its files below one directory.
type run struct {
	t      *testing.T
	cmd    *exec.Cmd
	dir    string
	output *testenv.Buffer
}

func start(t *testing.T) *run {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	r := &run{t: t, dir: t.TempDir(), output: &testenv.Buffer{}}
	r.cmd = exec.CommandContext(ctx, "make", "--no-print-directory", "demo")
	r.cmd.Dir = filepath.Join("..", "..")
	r.cmd.Env = append(os.Environ(), "TMPDIR="+r.dir, "MAKEFLAGS=", "MAKELEVEL=")
	r.cmd.Stdout, r.cmd.Stderr = r.output, r.output
	r.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	r.cmd.Cancel = func() error { return syscall.Kill(-r.cmd.Process.Pid, syscall.SIGTERM) }
	r.cmd.WaitDelay = 10 * time.Second
	if err := r.cmd.Start(); err != nil {
		t.Fatalf("starting make demo: %v", err)
	}
	return r
}

func (r *run) wait() error { return r.cmd.Wait() }

func (r *run) waitUntilItPrints(text string) {
	r.t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if strings.Contains(r.output.String(), text) {
			return
		}
	}
	r.t.Fatalf("the demo has not printed %q:\n%s", text, r.output.String())
}

// expectNothingLeft wants no file and no process of the demo. A namespace
// lives no longer than its last process.
func (r *run) expectNothingLeft() {
	r.t.Helper()
	left, err := filepath.Glob(filepath.Join(r.dir, "*demo*"))
	if err != nil {
		r.t.Fatal(err)
	}
	if len(left) > 0 {
		r.t.Errorf("the demo has left files: %q", left)
	}
	if alive := processes(func(p process) bool { return strings.Contains(p.command, r.dir) }); len(alive) > 0 {
		r.t.Errorf("the demo has left processes: %v", alive)
	}
}

// needNamespace leaves the test out where the kernel gives no namespace, but
// never where CI promises that it ran.
func needNamespace(t *testing.T) {
	t.Helper()
	flags := []string{"--net", "--mount", "--pid", "--fork", "--mount-proc", "true"}
	if os.Geteuid() != 0 {
		flags = append([]string{"--user", "--map-root-user"}, flags...)
	}
	out, err := exec.Command("unshare", flags...).CombinedOutput()
	if err != nil {
		testenv.LeaveOut(t, "the kernel gives no namespace: %v: %s", err, bytes.TrimSpace(out))
	}
}
