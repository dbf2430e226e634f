//go:build e2e

package crash

import (
	"errors"
	"fmt"
	"os/exec"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// patience is how long a daemon may take to reach its goal. It bounds a failure
// and measures nothing.
const patience = time.Minute

var errNoGoal = errors.New("the process did not reach its goal and was killed")

// endAt tells a process to end once its goal is reached; without a goal it does
// nothing. late ends the watch and says whether the process had to be killed.
func endAt(pid int, goal func() bool) (late func() error, err error) {
	if goal == nil {
		return func() error { return nil }, nil
	}
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return nil, fmt.Errorf("watching the process: %w", err)
	}
	var group sync.WaitGroup
	over, failed := make(chan struct{}), error(nil)
	group.Go(func() {
		signal := unix.SIGTERM
		for deadline := time.Now().Add(patience); !goal(); {
			if time.Now().After(deadline) {
				signal, failed = unix.SIGKILL, errNoGoal
				break
			}
			select {
			case <-over:
				return
			case <-time.After(3 * time.Millisecond):
			}
		}
		_ = unix.PidfdSendSignal(fd, signal, nil, 0) // it may have ended by itself
	})
	return func() error {
		close(over)
		group.Wait()
		return errors.Join(failed, unix.Close(fd))
	}, nil
}

// reach runs a daemon, undisturbed, until it has reached its goal.
func reach(t *testing.T, at string, cmd *exec.Cmd, goal func() bool) {
	t.Helper()
	said := &tail{}
	cmd.Stderr = said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	late, err := endAt(cmd.Process.Pid, goal)
	if err != nil {
		t.Fatal(err)
	}
	err = cmd.Wait()
	if err := errors.Join(err, late()); err != nil {
		t.Errorf("%s the next run fails: %v\n%s", at, err, said.text)
	}
}

// tail keeps the last that was written.
type tail struct{ text []byte }

func (w *tail) Write(p []byte) (int, error) {
	w.text = append(w.text, p...)
	w.text = w.text[max(0, len(w.text)-4000):]
	return len(p), nil
}
