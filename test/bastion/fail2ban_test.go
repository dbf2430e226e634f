//go:build e2e

package bastion

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"
)

func join(list []netip.Addr) string {
	words := make([]string, len(list))
	for i, a := range list {
		words[i] = a.String()
	}
	return strings.Join(words, " ")
}

// aCrowd is banned as fast as fail2ban can, in a jail whose second action is
// slow. One command takes some at a time: fail2ban makes it wait for all of them.
func (s *site) aCrowd(t *testing.T) {
	all := slices.Concat(crowd, crowd6)
	for some := range slices.Chunk(all, 50) {
		s.guest.must(t, "fail2ban-client set crowd banip "+join(some))
	}
	s.enforced(t, all...)
}

// aRestartOfFail2ban takes long: the flush comes many seconds before the stop,
// and then all bans are made again.
func (s *site) aRestartOfFail2ban(t *testing.T) {
	before := s.hostChanges(t)
	s.guest.must(t, "systemctl restart fail2ban")
	eventually(t, "fail2ban has all its bans again", func() error {
		if n, err := s.inFail2ban(); err != nil || n != len(crowd)+len(crowd6)+len(attackers) {
			return fmt.Errorf("it has %d (%w)", n, err)
		}
		return nil
	})
	out := s.guest.must(t, `grep -c '"op":"flush"' /var/lib/reconciler/bans.jsonl; grep -c '"op":"stop"' /var/lib/reconciler/bans.jsonl`)
	t.Logf("flushes and stops in the log: %s", strings.Fields(out))
	t.Logf("from the flush to the stop of the jail with 500 bans: %s", s.guest.must(t, `awk -F'"time":' '/"jail":"crowd"/ && /"op":"flush"/ { f = $2 + 0 } /"jail":"crowd"/ && /"op":"stop"/ { printf "%d s", $2 + 0 - f }' /var/lib/reconciler/bans.jsonl`))
	s.settled(t)
	s.unchangedHost(t, before)
}

// offend makes the application log failed logins, which fail2ban reads.
func (s *site) offend(t *testing.T, a netip.Addr) {
	t.Helper()
	line := fmt.Sprintf("echo \"$(date '+%%F %%T') app: login failed from %s\" >>/var/log/app.log\n", a)
	s.guest.must(t, line+line)
}

// aProlongation: who comes back is banned for longer, which fail2ban tells only
// seconds after the ban.
func (s *site) aProlongation(t *testing.T) {
	s.offend(t, prolonged)
	s.enforced(t, prolonged)
	first := s.end(t, prolonged)
	s.watch.release(prolonged)
	s.lifted(t, prolonged)
	s.offend(t, prolonged)
	s.enforced(t, prolonged)
	// The prolongation may be there already, so the plain end is not asked for:
	// the ban was made before now.
	plain := time.Now().Add(appBan)
	var last time.Time
	eventually(t, "the ban is prolonged", func() error {
		if last = s.end(t, prolonged); !last.After(plain) {
			return fmt.Errorf("it ends at %s, as one of %s does", last, appBan)
		}
		return nil
	})
	t.Logf("the first ban ended at %s, the second would before %s and does at %s", first.Format(time.TimeOnly), plain.Format(time.TimeOnly), last.Format(time.TimeOnly))
	// Watched beyond the end that it had at first.
	eventually(t, "the plain end of the ban is over", func() error {
		if now := time.Now(); now.Before(plain.Add(time.Second)) {
			return fmt.Errorf("it is %s", now)
		}
		return nil
	})
	if !time.Now().Before(last) {
		t.Fatal("the machine is too slow: the whole ban is over already")
	}
	s.watch.release(prolonged)
	s.lifted(t, prolonged)
	if early := time.Until(last); early > 0 {
		t.Errorf("the prolonged ban was lifted %s early", early)
	}
}

// end gives the end of a ban.
func (s *site) end(t *testing.T, a netip.Addr) time.Time {
	t.Helper()
	bans, err := s.bans()
	if err != nil || bans[a].Until == nil {
		t.Fatalf("the program does not know the end of the ban of %s: %+v (%v)", a, bans[a], err)
	}
	return *bans[a].Until
}

// twoJails ban one address: it is let in when both have let it go.
func (s *site) twoJails(t *testing.T) {
	g := s.guest
	g.must(t, fmt.Sprintf("fail2ban-client set sshd banip %s; fail2ban-client set crowd banip %s", shared, shared))
	s.enforced(t, shared)
	s.jailsAre(t, shared, "crowd", "sshd")
	g.must(t, fmt.Sprintf("fail2ban-client set sshd unbanip %s", shared))
	s.jailsAre(t, shared, "crowd")
	if err := s.net.knock(shared); err == nil {
		t.Errorf("%s gets in although the jail crowd still bans it", shared)
	}
	s.watch.release(shared)
	g.must(t, fmt.Sprintf("fail2ban-client set crowd unbanip %s", shared))
	s.lifted(t, shared)
}

func (s *site) jailsAre(t *testing.T, a netip.Addr, jails ...string) {
	t.Helper()
	eventually(t, "the ban belongs to "+strings.Join(jails, " and "), func() error {
		bans, err := s.bans()
		if err != nil || !slices.Equal(bans[a].Jails, jails) {
			return fmt.Errorf("it belongs to %v (%w)", bans[a].Jails, err)
		}
		return nil
	})
}

// margin is how long before the end of a flush's delay of 30 s the watch ends.
const margin = 25 * time.Second

// inFail2ban counts the bans that fail2ban itself has in the jails sshd and crowd.
func (s *site) inFail2ban() (int, error) {
	out, err := s.guest.do("fail2ban-client get crowd banip; fail2ban-client get sshd banip")
	return len(strings.Fields(out)), err
}

// restored waits until fail2ban, which may just have been started, has restored
// all its bans. What it is told before that it forgets.
func (s *site) restored(t *testing.T) {
	t.Helper()
	eventually(t, "fail2ban has restored its bans", func() error {
		bans, err := s.bans()
		if err != nil {
			return err
		}
		want := 0
		for _, b := range bans {
			if slices.Contains(b.Jails, "sshd") || slices.Contains(b.Jails, "crowd") {
				want++
			}
		}
		if n, err := s.inFail2ban(); err != nil || n < want {
			return fmt.Errorf("it has %d of %d (%w)", n, want, err)
		}
		return nil
	})
}

// anUnbanOfAll lifts what fail2ban banned, half a minute later, and leaves what
// was banned by hand.
func (s *site) anUnbanOfAll(t *testing.T) {
	s.guest.must(t, "reconciler ban --bantime 1h -- "+byHand.String())
	s.enforced(t, byHand)
	s.restored(t)
	said := time.Now()
	s.guest.must(t, "fail2ban-client unban --all")
	eventually(t, "the delay is nearly over", func() error {
		if gone := time.Since(said); gone < margin {
			return fmt.Errorf("%s have gone", gone)
		}
		return nil
	})
	lifted := slices.DeleteFunc(s.watch.now(), func(a netip.Addr) bool { return a == byHand })
	s.watch.release(lifted...)
	s.lifted(t, attackers...)
	eventually(t, "the ban by hand is alone, in the ACL too", func() error {
		if held := s.edge.holds(); len(held) != 1 || !held[byHand] {
			return fmt.Errorf("the ACL holds %d", len(held))
		}
		return nil
	})
}
