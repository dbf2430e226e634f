package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestColoursAreForTerminalsAloneAndNotWithNoColor(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.must("ban", "203.0.113.7")
	if !strings.Contains(s.onTerminal("plan"), "\x1b[") {
		t.Error("on a terminal a plan has no colours")
	}
	s.env = append(s.env, "NO_COLOR=1")
	if out := s.onTerminal("plan"); strings.Contains(out, "\x1b[") || !strings.Contains(out, "203.0.113.7/32") {
		t.Errorf("with NO_COLOR a plan on a terminal reads %q", out)
	}
}

// onTerminal runs a command whose standard output is a terminal, and gives what
// the terminal was told.
func (s *site) onTerminal(args ...string) string {
	s.t.Helper()
	master, terminal := openTerminal(s.t)
	cmd := s.command(args...)
	cmd.Stdout = terminal
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	_ = terminal.Close() // the program has it
	// Reading ends with EIO once the last writer is gone.
	out, _ := io.ReadAll(master)
	if err := cmd.Wait(); err != nil {
		s.t.Fatalf("`reconciler %s` on a terminal: %v: %s", args[0], err, out)
	}
	return string(out)
}

// openTerminal makes a pair of pseudo-terminals (pts(4)).
func openTerminal(t *testing.T) (master, terminal *os.File) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = master.Close() })
	if err := unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatalf("unlocking the terminal: %v", err)
	}
	n, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatalf("naming the terminal: %v", err)
	}
	terminal, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	return master, terminal
}
