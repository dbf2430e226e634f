//go:build e2e

package bastion

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"

	"reconciler/internal/ec2sim"
)

// The people. Attackers and innocents are of both families, half and half.
var (
	attackers = append(addresses("203.0.113.11", 30), addresses("2001:db8:bad::11", 30)...)
	late      = append(addresses("203.0.113.101", 2), addresses("2001:db8:bad::101", 2)...)
	innocents = append(addresses("192.0.2.101", 5), addresses("2001:db8:1::101", 5)...)
	friends   = []netip.Addr{netip.MustParseAddr("192.0.2.77"), netip.MustParseAddr("2001:db8:f::77")}
	crowd     = addresses("198.51.100.20", 200)  // with the next, 500 that fail2ban bans at once
	crowd6    = addresses("2001:db8:c::20", 300) // nobody connects from there
	prolonged = netip.MustParseAddr("203.0.113.201")
	shared    = netip.MustParseAddr("203.0.113.202")
	unlogged  = netip.MustParseAddr("203.0.113.203") // banned while the disk is full
	byHand    = netip.MustParseAddr("203.0.113.204")
)

// site is everything in its place.
type site struct {
	guest    *guest
	edge     *edge
	net      *internet
	watch    *watcher
	key      *identity
	sessions []*session
}

// newSite raises the network, serves the endpoint and boots the bastion.
func newSite(t *testing.T) *site {
	t.Helper()
	people := slices.Concat(attackers, late, innocents, friends, []netip.Addr{prolonged, shared, unlogged, byHand})
	s := &site{key: newIdentity(t), net: raiseNetwork(t, people)}
	s.edge = raiseEdge(t)
	s.guest = newGuest(t)
	s.furnish()
	s.guest.boot()
	s.watch = newWatcher(s.guest, s.edge, s.net)
	ctx, cancel := context.WithCancel(context.Background())
	var watching sync.WaitGroup
	watching.Go(func() { s.watch.watch(ctx) })
	t.Cleanup(func() { cancel(); watching.Wait() })
	return s
}

// furnish makes the files that an image of the bastion would have.
func (s *site) furnish() {
	g := s.guest
	g.write("/etc/systemd/network/10-host0.network", `[Match]
Name=host0
[Network]
Address=10.0.1.10/24
Address=fd00:ec2:0:101::a/64
Gateway=10.0.1.1
Gateway=fd00:ec2:0:101::1
IPv6AcceptRA=no
IPv6DuplicateAddressDetection=0
`)
	g.link("/usr/lib/systemd/system/systemd-networkd.service", "/etc/systemd/system/multi-user.target.wants/systemd-networkd.service")
	g.write("/root/.ssh/authorized_keys", s.key.authorized())
	g.write("/etc/ssh/sshd_config.d/bastion.conf", "MaxStartups 500\nPasswordAuthentication yes\n")
	// On EC2 the SDK needs none of this: only where the endpoints are is not so.
	g.write("/etc/systemd/system/reconciler.service.d/endpoint.conf", "[Service]\n"+
		"Environment=AWS_ENDPOINT_URL_EC2=http://"+endpoint+" AWS_EC2_METADATA_SERVICE_ENDPOINT=http://"+metadata+"\n")
}

// awsEnv points commands by hand at the endpoint.
const awsEnv = "export AWS_ENDPOINT_URL_EC2=http://" + endpoint + " AWS_EC2_METADATA_SERVICE_ENDPOINT=http://" + metadata + "\n"

// start lets the friends log in.
func (s *site) start(t *testing.T) {
	t.Helper()
	for _, f := range friends {
		eventually(t, "a friend can log in", func() error {
			session, err := s.net.work(f, s.key)
			if err == nil {
				s.sessions = append(s.sessions, session)
			}
			return err
		})
	}
	t.Cleanup(s.leave)
}

// leave ends the friends' sessions.
func (s *site) leave() {
	for _, session := range s.sessions {
		session.end()
	}
	s.sessions = nil
}

// check makes one check of the story. Whatever it is about, meanwhile no ban is
// lifted, the friends work on, nobody else is banned, and the calls that change
// an ACL are exactly those that are needed. Tests that follow need this one.
func (s *site) check(t *testing.T, name string, calls int, f func(t *testing.T)) bool {
	t.Helper()
	return t.Run(name, func(t *testing.T) {
		defer func() {
			if t.Failed() {
				s.explain(t)
			}
		}()
		s.watch.report()
		before := len(s.edge.sim.Writes())
		echoes := make([]int, len(s.sessions))
		for i, session := range s.sessions {
			echoes[i], _ = session.state()
		}
		sessions := s.sessions
		f(t)
		s.judge(t, s.edge.sim.Writes()[before:], calls)
		for i, session := range sessions {
			n, err := session.state()
			if slices.Contains(s.sessions, session) && (err != nil || n <= echoes[i]) {
				t.Errorf("the session of the friend at %s broke: %v (%d echoes before, %d now)", friends[i], err, echoes[i], n)
			}
		}
	})
}

// judge looks at what happened during a check.
func (s *site) judge(t *testing.T, made []ec2sim.Call, calls int) {
	t.Helper()
	samples, knocks, gaps := s.watch.report()
	t.Logf("%d looks at %d bans, %d knocks of the banned, %d calls that change the ACL", samples, len(s.watch.now()), knocks, len(made))
	if len(gaps) > 0 {
		t.Errorf("active bans were lifted, or let somebody in (%d):\n%s", len(gaps), strings.Join(gaps[:min(10, len(gaps))], "\n"))
	}
	if len(made) != calls {
		t.Errorf("%d calls were made that change the ACL, want %d:%s", len(made), calls, told(made))
	}
	if err := s.edge.trouble(); err != nil {
		t.Error(err)
	}
	for _, a := range slices.Concat(innocents, friends) {
		if err := s.net.enter(a); err != nil {
			t.Errorf("%s, who attacked nobody, does not get in: %v", a, err)
		}
	}
	s.onlyTheWanted(t)
	if !slices.Contains(s.edge.sim.Entries(s.edge.acl), colleague) {
		t.Errorf("the colleague's entry %d is not as it was", colleague.Number)
	}
}

// onlyTheWanted holds the firewalls to what is to be banned.
func (s *site) onlyTheWanted(t *testing.T) {
	t.Helper()
	eventually(t, "nobody is banned any more who should not be", func() error {
		held, err := s.guest.banned(t.Context())
		if err != nil {
			return err
		}
		for a := range s.edge.holds() {
			held[a] = true
		}
		wanted := s.watch.now()
		for a := range held {
			if !slices.Contains(wanted, a) {
				return fmt.Errorf("%s is banned", a)
			}
		}
		return nil
	})
}

// told lists calls.
func told(calls []ec2sim.Call) string {
	var b strings.Builder
	for _, c := range calls {
		fmt.Fprintf(&b, "\n%s %s rule %s %s%s %s", c.Time.Format("15:04:05"), c.Action, c.Params.Get("RuleNumber"),
			c.Params.Get("CidrBlock"), c.Params.Get("Ipv6CidrBlock"), c.Code)
	}
	return b.String()
}

// explain shows what the bastion says of a check that failed.
func (s *site) explain(t *testing.T) {
	t.Helper()
	out, err := s.guest.do(awsEnv + `
systemctl --no-pager status reconciler fail2ban ssh || true
journalctl --no-pager -n 60 -u reconciler || true
tail -n 20 /var/log/fail2ban.log || true
reconciler status | tail -n 20 || true`)
	t.Logf("the bastion says (%v):\n%s", err, out)
}

// lifted waits until addresses get in.
func (s *site) lifted(t *testing.T, list ...netip.Addr) {
	t.Helper()
	for _, a := range list {
		eventually(t, a.String()+" gets in again", func() error { return s.net.knock(a) })
	}
}

// enforced waits until addresses are in force on the host, and has them watched.
func (s *site) enforced(t *testing.T, list ...netip.Addr) {
	t.Helper()
	eventually(t, "the host holds the bans", func() error {
		held, err := s.guest.banned(t.Context())
		if err != nil {
			return err
		}
		for _, a := range list {
			if !held[a] {
				return fmt.Errorf("it holds %d, and not %s", len(held), a)
			}
		}
		return nil
	})
	s.watch.expect(list...)
}
