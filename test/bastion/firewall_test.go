//go:build e2e

package bastion

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
)

// aBrokenFirewall is repaired. Meanwhile the ACL holds.
func (s *site) aBrokenFirewall(script string) func(t *testing.T) {
	return func(t *testing.T) {
		s.watch.set(broken)
		s.guest.must(t, script)
		eventually(t, "the host refuses the banned again", func() error {
			acl := s.edge.holds()
			for a, err := range s.net.knockAll(attackers) {
				if err == nil && !acl[a] {
					return fmt.Errorf("%s gets in", a)
				}
			}
			return nil
		})
		s.enforced(t, s.watch.now()...)
		s.watch.set(inOrder)
		s.settled(t)
	}
}

// outage is how long EC2 is out of reach.
const outage = time.Minute

// anOutage of EC2 keeps nothing from the host: new attackers are banned there.
// What was unbanned meanwhile leaves the ACL afterwards.
func (s *site) anOutage(t *testing.T) {
	back := s.edge.vanish(t)
	end := time.Now().Add(outage)
	var all errgroup.Group
	for _, a := range late {
		all.Go(func() error { return s.net.attack(a) })
	}
	if err := all.Wait(); err != nil {
		t.Fatal(err)
	}
	s.enforced(t, late...)
	pardoned := s.inACL(t)
	s.watch.release(pardoned)
	s.guest.must(t, "fail2ban-client set sshd unbanip "+pardoned.String())
	s.guest.must(t, "systemctl restart reconciler")
	eventually(t, "the daemon has seen that EC2 is out of reach", func() error {
		if n, err := s.guest.figure("reconciler_target_healthy", `target="discovery"`); err != nil || n != 0 {
			return fmt.Errorf("discovery is at %v (%w)", n, err)
		}
		_, err := s.guest.get("/readyz")
		return err
	})
	eventually(t, "the minute is over", func() error {
		if left := time.Until(end); left > 0 {
			return fmt.Errorf("%s are left", left)
		}
		return nil
	})
	back()
	s.settled(t)
	s.lifted(t, pardoned)
	s.guest.must(t, "fail2ban-client set sshd banip "+pardoned.String()) // back to where all were
	s.enforced(t, pardoned)
}

// inACL gives an IPv4 attacker that the ACL holds.
func (s *site) inACL(t *testing.T) netip.Addr {
	t.Helper()
	held := s.edge.holds()
	for _, a := range attackers {
		if held[a] && a.Is4() {
			return a
		}
	}
	t.Fatal("the ACL holds none of the attackers")
	return netip.Addr{}
}

// aFullDisk does not keep a ban from being recorded and enforced.
func (s *site) aFullDisk(t *testing.T) {
	g := s.guest
	const filler = stateDir + "/filler"
	eventually(t, "the disk is so full that a ban goes to the spool", func() error {
		// ext4 finds more room once it has written what it holds back, and the
		// log's last block may have some for a line yet; empty lines are no records.
		g.must(t, `for turn in 1 2 3; do cat /dev/zero >>`+filler+` || true; sync; done 2>/dev/null
if yes '' | head -c 16777216 >>`+stateDir+`/bans.jsonl; then echo "the disk does not fill up"; exit 1; fi
fail2ban-client set sshd banip `+unlogged.String())
		// The daemon's compaction makes room, which may come in between.
		out, err := g.do("grep -q " + unlogged.String() + " /run/reconciler/spool-*.jsonl || { fail2ban-client set sshd unbanip " + unlogged.String() + "; exit 1; }")
		if err != nil {
			return fmt.Errorf("%w: %s", err, out)
		}
		return nil
	})
	s.enforced(t, unlogged)
	g.must(t, "systemctl restart reconciler")
	s.settled(t)
	g.must(t, "rm "+filler)
	eventually(t, "the spool is in the log", func() error {
		out, err := g.do("! cat /run/reconciler/spool-*.jsonl 2>/dev/null | grep . && grep -q " + unlogged.String() + " " + stateDir + "/bans.jsonl")
		if err != nil {
			return fmt.Errorf("%w: %s", err, out)
		}
		return nil
	})
	s.settled(t)
}
