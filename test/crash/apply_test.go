//go:build e2e

package crash

import (
	"os/exec"
	"slices"
	"testing"
	"time"

	"reconciler/internal/testenv"
	"reconciler/test/program"
)

// The first apply, on an empty firewall and an ACL with others' rules in it.
func TestAFirstApplyThatDiesAnywhereIsMendedByTheNext(t *testing.T) {
	testenv.Need(t, "ipset", "iptables-restore")
	var s *site
	wanted := manyPrefixes(8)
	arrange := func(t *testing.T) *exec.Cmd {
		s = newSite(t, "--host", "ipset")
		s.args = append(s.args, "--nacl", s.acl)
		put(t, s.state, program.Lines(wanted...))
		return s.command()
	}
	everyPoint(t, arrange, kill, func(t *testing.T, at string, _ bool) {
		s.safe(t, at, nil, wanted)
		s.mends(t, at, slices.Clone(wanted))
	})
}

// An apply that adds, replaces and removes, on both sides.
func TestAnApplyOfChangesThatDiesAnywhereOpensNoGap(t *testing.T) {
	testenv.Need(t, "ipset", "iptables-restore")
	var s *site
	all := manyPrefixes(12)
	first, kept, wanted := all[:8], all[3:8], all[3:]
	arrange := func(t *testing.T) *exec.Cmd {
		s = newSite(t, "--host", "ipset", "--host-mode", "overflow")
		s.args = append(s.args, "--nacl", s.acl)
		put(t, s.state, program.Lines(first...))
		s.apply(t, "before all")
		s.change(t, program.Lines(all[8:]...), all[:3])
		return s.command()
	}
	everyPoint(t, arrange, kill, func(t *testing.T, at string, _ bool) {
		s.safe(t, at, kept, all)
		s.apply(t, at)
		both := slices.Concat(s.host(t), s.edge())
		for _, p := range wanted {
			if !slices.Contains(both, p) {
				t.Errorf("%s, after the next apply, %s is not enforced", at, p)
			}
		}
		for _, p := range both {
			if !slices.Contains(wanted, p) {
				t.Errorf("%s, after the next apply, %s is still blocked", at, p)
			}
		}
	})
}

// So many bans that they do not fit into a pipe at once: a program that reads
// the first part of its input alone must not act on half a line.
func TestAnApplyOfManyBansThatDiesAnywhereBlocksNothingElse(t *testing.T) {
	testenv.Need(t, "ipset", "iptables-restore")
	var s *site
	wanted := manyPrefixes(2000)
	arrange := func(t *testing.T) *exec.Cmd {
		s = newSite(t, "--host", "ipset", "--nacl", "none")
		put(t, s.state, program.Lines(wanted...))
		return s.command()
	}
	everyPoint(t, arrange, kill, func(t *testing.T, at string, _ bool) {
		time.Sleep(50 * time.Millisecond) // a program that was started goes on by itself
		known := map[string]bool{}
		for _, p := range wanted {
			known[p] = true
		}
		for _, p := range s.host(t) {
			if !known[p] {
				t.Errorf("%s %s is blocked, which nobody asked for", at, p)
			}
		}
		s.mends(t, at, slices.Clone(wanted))
	})
}
