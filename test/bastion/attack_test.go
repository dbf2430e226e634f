//go:build e2e

package bastion

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
)

// config is what the operator writes. One friend is in the list of those who
// are never banned, the other is not.
const config = `ignore: [192.0.2.77]
resync: 10s
metrics: 127.0.0.1:9477
`

// appBan is how long the jail app bans for the first time.
const appBan = 20 * time.Second

// The jails. That of sshd is the example in the package.
const (
	sshdJail = `cp /usr/share/doc/reconciler/examples/reconciler-sshd.conf /etc/fail2ban/jail.d/
printf '[sshd]\nmaxretry = 3\n' >/etc/fail2ban/jail.d/zz-strict.conf
`
	// The %d is appBan, in seconds.
	appJails = `
[app]
enabled = true
filter = app
logpath = /var/log/app.log
backend = polling
maxretry = 2
bantime = %d
bantime.increment = true
action = reconciler

[crowd]
enabled = true
filter = app
logpath = /var/log/crowd.log
backend = polling
bantime = 1h
action = reconciler
         slow.py
`
	appFilter = "[Definition]\nfailregex = ^\\s*app: login failed from <HOST>$\n"
	// It takes 20 ms each time, on whatever machine: it starts no program.
	slowAction = `import time
from fail2ban.server.action import ActionBase

class Action(ActionBase):
    def ban(self, info):
        time.sleep(0.02)

    def unban(self, info):
        time.sleep(0.02)
`
)

// anInstallation follows the README.
func (s *site) anInstallation(t *testing.T) {
	g := s.guest
	g.must(t, "dpkg -i /root/old.deb")
	g.write("/etc/reconciler/config.yaml", config)
	g.must(t, "systemctl reload reconciler\n"+sshdJail)
	g.write("/etc/fail2ban/jail.d/app.conf", fmt.Sprintf(appJails, int(appBan.Seconds())))
	g.write("/etc/fail2ban/filter.d/app.conf", appFilter)
	g.write("/etc/fail2ban/action.d/slow.py", slowAction)
	g.must(t, "touch /var/log/app.log /var/log/crowd.log\nsystemctl restart fail2ban")
	s.settled(t)
	if on := s.property(t, "reconciler", "UnitFileState"); on != "enabled" {
		t.Errorf("the service is %s: it does not start with the host", on)
	}
	if _, err := g.get("/healthz"); err != nil {
		t.Errorf("/healthz: %v", err)
	}
	s.start(t)
	s.aVisitToTheDoctor(t)
}

// aVisitToTheDoctor wants no failure. A warning there is one: nobody keeps the
// container's clock.
func (s *site) aVisitToTheDoctor(t *testing.T) {
	t.Helper()
	eventually(t, "the doctor finds nothing to mend", func() error {
		out, _ := s.guest.do(awsEnv + "reconciler doctor -o json 2>/dev/null || true")
		var report struct {
			Checks []struct{ Check, Status, Message, Mend string }
		}
		if err := json.Unmarshal([]byte(out), &report); err != nil || len(report.Checks) == 0 {
			return errors.Join(err, errors.New(out))
		}
		for _, f := range report.Checks {
			if f.Status == "failure" || f.Status == "warning" && f.Check != "clock" {
				return errors.New(f.Check + ": " + f.Message + " (" + f.Mend + ")")
			}
		}
		return nil
	})
}

// room gives how many bans of each family the ACL takes.
func (s *site) room() (v4, v6 int) {
	return quota - 3, quota - 2 // the default deny, the allow, and the colleague's entry
}

// anAttack is real: wrong passwords, from all at once.
func (s *site) anAttack(t *testing.T) {
	var all errgroup.Group
	for _, a := range innocents {
		all.Go(func() error { return s.net.login(a, "admin", 1) })
	}
	for _, a := range attackers {
		all.Go(func() error { return s.net.attack(a) })
	}
	if err := all.Wait(); err != nil {
		t.Fatal(err)
	}
	s.enforced(t, attackers...)
	v4, v6 := s.room()
	eventually(t, "the ACL is full", func() error {
		if held := s.edge.holds(); len(held) != v4+v6 {
			return errors.New("it holds " + told(s.edge.sim.Writes()))
		}
		return nil
	})
	s.stoppedWhere(t)
}

// stoppedWhere knocks from every attacker: those in the ACL are stopped at the
// router, by its counters, and the others by the host.
func (s *site) stoppedWhere(t *testing.T) {
	t.Helper()
	held, before := s.edge.holds(), s.edge.stopped(t)
	for a, err := range s.net.knockAll(attackers) {
		if err == nil {
			t.Errorf("%s attacked, and still gets in", a)
		}
		if held[a] && isRefused(err) {
			t.Errorf("%s is in the ACL, and yet something answers: %v", a, err)
		}
	}
	after := s.edge.stopped(t)
	counts := map[bool]int{}
	for _, a := range attackers {
		name := counter(netip.PrefixFrom(a, a.BitLen()))
		if held[a] && after[name] <= before[name] {
			t.Errorf("the router stopped no packet of %s, which is in the ACL", a)
		}
		counts[held[a]]++
	}
	t.Logf("%d attackers are stopped at the router, %d by the host", counts[true], counts[false])
}
