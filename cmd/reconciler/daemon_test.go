package main

import (
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"reconciler/internal/controller"
)

func TestOneWhoWritesToTheLogIsToldThatNoDaemonRuns(t *testing.T) {
	const chain = "f2b-test-daemon-state"
	if words := noDaemon(chain); !strings.Contains(words, startDaemon) {
		t.Errorf("no daemon runs, and a person reads %q", words)
	}
	began := time.Now().Add(-time.Hour).Round(time.Second)
	release, err := controller.LockTelling(chain, hclog.NewNullLogger(), func() controller.Word { return controller.Word{Version: "9", Since: began} })
	if err != nil {
		t.Fatal(err)
	}
	if running, since := daemonState(chain); !running || !since.Equal(began) {
		t.Errorf("a daemon runs since %s, and the state is %t, %s", began, running, since)
	}
	if words := noDaemon(chain); words != "" {
		t.Errorf("a daemon runs, and a person reads %q", words)
	}
	if err := release(); err != nil {
		t.Fatal(err)
	}
	if running, _ := daemonState(chain); running {
		t.Error("the daemon has ended, and counts as running")
	}
}

// An apply holds the lock while it works, and keeps nothing after that.
func TestACommandThatHoldsTheLockIsNoDaemon(t *testing.T) {
	const chain = "f2b-test-no-daemon"
	release, err := controller.Lock(chain, hclog.NewNullLogger())
	if err != nil {
		t.Fatal(err)
	}
	defer release() //nolint:errcheck // the process ends
	if running, _ := daemonState(chain); running {
		t.Error("the lock is held by a command that is not `run`, and counts as a daemon")
	}
}
