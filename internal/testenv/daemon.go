package testenv

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Patience is how long a Daemon is waited for. It bounds a failure and measures
// nothing.
const Patience = time.Minute

// Daemon is a running program that a test watches.
type Daemon struct {
	// Said is what it has written to its standard error.
	Said Buffer

	t     testing.TB
	cmd   *exec.Cmd
	ended chan struct{}
	scene func() string
}

// Start starts a program, whose standard error is the Daemon's. It is killed at
// the end of the test. A failure tells the scene too: what else there is to see
// then.
func Start(t testing.TB, cmd *exec.Cmd, scene func() string) *Daemon {
	t.Helper()
	d := &Daemon{t: t, cmd: cmd, ended: make(chan struct{}), scene: scene}
	cmd.Stderr = &d.Said
	if err := cmd.Start(); err != nil {
		t.Fatalf("starting %s: %v", cmd.Path, err)
	}
	go func() {
		_ = cmd.Wait() // the process state says how it ended
		close(d.ended)
	}()
	t.Cleanup(func() { d.Stop(syscall.SIGKILL) })
	return d
}

// Pid is its process id.
func (d *Daemon) Pid() int { return d.cmd.Process.Pid }

// Signal sends a signal. One that comes after its end is no failure.
func (d *Daemon) Signal(sig syscall.Signal) {
	d.t.Helper()
	if err := d.cmd.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		d.t.Errorf("sending %v: %v", sig, err)
	}
}

// Stop sends a signal and waits for the end. It gives the exit status, -1 after
// a death by signal.
func (d *Daemon) Stop(sig syscall.Signal) int {
	d.t.Helper()
	d.Signal(sig)
	select {
	case <-d.ended:
	case <-time.After(Patience):
		d.fail(fmt.Sprintf("the daemon goes on after %v", sig))
	}
	return d.cmd.ProcessState.ExitCode()
}

// Eventually waits until a condition holds.
func (d *Daemon) Eventually(sentence string, holds func() bool) {
	d.t.Helper()
	deadline := time.After(Patience)
	for !holds() {
		select {
		case <-time.After(20 * time.Millisecond):
		case <-d.ended:
			if !holds() {
				d.fail("the daemon has ended before this was so: " + sentence)
			}
			return
		case <-deadline:
			d.fail("this did not come to be: " + sentence)
		}
	}
}

// Says waits for words in what it has said after a mark, which is a length of
// Said.
func (d *Daemon) Says(after int, words string) {
	d.t.Helper()
	d.Eventually(fmt.Sprintf("the log says %q", words), func() bool { return strings.Contains(d.Said.String()[after:], words) })
}

func (d *Daemon) fail(sentence string) {
	d.t.Helper()
	d.t.Fatalf("%s\n%s\nthe daemon's log:\n%s", sentence, d.scene(), d.Said.String())
}
