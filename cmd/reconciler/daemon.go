package main

import (
	"fmt"
	"time"

	"reconciler/internal/controller"
)

// startDaemon is the command that starts the daemon.
const startDaemon = "sudo systemctl start reconciler"

// daemonState reports whether a daemon keeps the chain in this network namespace,
// and since when: the zero time where it does not tell. It costs a look at a
// socket of this machine, and takes nothing.
func daemonState(chain string) (running bool, since time.Time) {
	k, running := controller.Daemon(chain)
	if k.Word != nil {
		since = k.Word.Since
	}
	return running, since
}

// noDaemon returns what a person should know who has just written to the log
// while no daemon keeps the chain; "" where one does.
func noDaemon(chain string) string {
	if running, _ := daemonState(chain); running {
		return ""
	}
	return fmt.Sprintf("no daemon runs, so it is recorded and not enforced yet; start it: %s", startDaemon)
}
