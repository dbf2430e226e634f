//go:build e2e

package bastion

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
)

// anUpgrade lifts nothing.
func (s *site) anUpgrade(command string) func(t *testing.T) {
	return func(t *testing.T) {
		s.guest.must(t, command)
		s.settled(t)
		if out := s.guest.must(t, "reconciler version"); !strings.Contains(out, newVersion) {
			t.Errorf("after the upgrade the version is %s", out)
		}
		if n, err := s.guest.figure("reconciler_build_info", newVersion); n != 1 || err != nil {
			t.Errorf("the old daemon still runs (%v)", err)
		}
		s.unchangedHost(t, 0)
	}
}

// aRemoval takes everything that is ours down, here and in the ACL.
func (s *site) aRemoval(command string) func(t *testing.T) {
	return func(t *testing.T) {
		all := s.watch.now()
		s.watch.release(all...)
		out := s.guest.must(t, awsEnv+command)
		if held := s.edge.holds(); len(held) > 0 {
			t.Errorf("the removal left %d entries in the ACL:\n%s", len(held), out)
		}
		rules := s.guest.must(t, "iptables -S; ip6tables -S; ipset list -n; systemctl is-active reconciler || true")
		if strings.Contains(rules, "f2b-reconciler") || !strings.Contains(rules, "inactive") {
			t.Errorf("the removal left:\n%s", rules)
		}
		for _, a := range all {
			if s.net.people[a] {
				s.lifted(t, a)
			}
		}
	}
}

// aPurge leaves nothing, also where the log has a disk of its own.
func (s *site) aPurge(t *testing.T) {
	s.guest.must(t, "dpkg -P reconciler")
	out := s.guest.must(t, "ls -d /run/reconciler /etc/reconciler /usr/bin/reconciler 2>/dev/null || true; ls -A "+stateDir)
	if out != "" {
		t.Errorf("the purge left:\n%s", out)
	}
}

// aReturn installs again and bans some, in the ACL and on the host.
func (s *site) aReturn(command string) func(t *testing.T) {
	return func(t *testing.T) {
		s.guest.must(t, command)
		s.guest.write("/etc/reconciler/config.yaml", config)
		s.guest.must(t, "systemctl reload reconciler")
		s.settled(t)
		s.guest.must(t, "reconciler ban --bantime 1h -- "+join(late))
		s.enforced(t, late...)
		s.inACLs(t, late...)
	}
}

// anOldIptables bans as well. Its lock is root's, and the service is not. The
// host is alone here, so that nobody else stops the packets.
func (s *site) anOldIptables(t *testing.T) {
	g := s.guest
	g.must(t, `update-alternatives --set iptables /usr/sbin/iptables-legacy
update-alternatives --set ip6tables /usr/sbin/ip6tables-legacy
dpkg -i /root/new.deb`)
	s.inACLs(t, late...) // the bans of before the removal are back
	g.write("/etc/reconciler/config.yaml", config+"nacl: none\n")
	g.must(t, "systemctl reload reconciler; reconciler ban --bantime 1h -- "+join(late))
	s.enforced(t, late...)
	s.inACLs(t)
	if out := g.must(t, "iptables-legacy -S INPUT; ip6tables-legacy -S INPUT"); strings.Count(out, "-j f2b-reconciler") != 2 {
		t.Errorf("the old iptables has:\n%s", out)
	}
	if out := g.must(t, "stat -c '%U:%G %a' /run/xtables.lock"); out != "root:reconciler 660\n" {
		t.Errorf("the lock is %s", out)
	}
	for _, a := range late {
		if err := s.net.knock(a); err == nil {
			t.Errorf("the host lets %s in", a)
		}
	}
}

// inACLs waits until the ACL holds these and no others.
func (s *site) inACLs(t *testing.T, list ...netip.Addr) {
	t.Helper()
	eventually(t, "the ACL holds just what it should", func() error {
		held := s.edge.holds()
		for _, a := range list {
			if !held[a] {
				return fmt.Errorf("it lacks %s", a)
			}
		}
		if len(held) != len(list) {
			return fmt.Errorf("it holds %d, want %d", len(held), len(list))
		}
		return nil
	})
}
