//go:build e2e

package crash

import (
	"os/exec"
	"path/filepath"
	"testing"

	"reconciler/internal/testenv"
	"reconciler/test/program"
)

// The daemon from its start over its first apply to its end by SIGTERM.
func TestARunThatDiesAnywhereIsMendedByTheNext(t *testing.T) {
	testenv.Need(t, "ipset", "iptables-restore")
	var s *site
	wanted := manyPrefixes(6)
	arrange := func(t *testing.T) *exec.Cmd {
		s = newSite(t, "--host", "ipset")
		s.args = append(s.args, "--nacl", s.acl)
		put(t, s.state, program.Lines(wanted...))
		return s.daemon(t)
	}
	goal := func() bool { return s.ready.Load() && len(s.edge()) == s.room }
	everyPointUntil(t, arrange, goal, kill, func(t *testing.T, at string, _ bool) {
		s.safe(t, at, nil, wanted)
		reach(t, at, s.daemon(t), goal)
		program.WantAll(t, at, prefixesOf(t, s.state, at), wanted...)
		s.rests(t, at, wanted)
		onlyKnownFiles(t, at, filepath.Dir(s.state))
	})
}
