//go:build e2e

package bastion

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

// figuresAt is where the daemon serves its figures, inside.
var figuresAt = netip.MustParseAddrPort("127.0.0.1:9477")

// get reads a page of the daemon's.
func (g *guest) get(path string) (string, error) {
	leader := g.leader()
	if leader == 0 {
		return "", errDown
	}
	ns, err := os.Open(fmt.Sprintf("/proc/%d/ns/net", leader))
	if err != nil {
		return "", err
	}
	defer ns.Close() //nolint:errcheck // nothing was written
	client := http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return dialIn(ctx, ns, net.Dialer{Timeout: time.Second}, figuresAt)
		},
	}}
	answer, err := client.Get("http://" + figuresAt.String() + path)
	if err != nil {
		return "", err
	}
	defer answer.Body.Close() //nolint:errcheck // it was read
	body, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", answer.Status, body)
	}
	return string(body), err
}

// figure sums the figures whose name and labels contain all the words.
func (g *guest) figure(name string, words ...string) (float64, error) {
	page, err := g.get("/metrics")
	if err != nil {
		return 0, err
	}
	sum := 0.0
	lines := bufio.NewScanner(strings.NewReader(page))
next:
	for lines.Scan() {
		line := lines.Text()
		if !strings.HasPrefix(line, name+" ") && !strings.HasPrefix(line, name+"{") {
			continue
		}
		for _, word := range words {
			if !strings.Contains(line, word) {
				continue next
			}
		}
		value, err := strconv.ParseFloat(line[strings.LastIndexByte(line, ' ')+1:], 64)
		if err != nil {
			return 0, fmt.Errorf("reading %q: %w", line, err)
		}
		sum += value
	}
	return sum, nil
}

// hostChanges gives how many changes of the host's firewall the running daemon
// has tried.
func (s *site) hostChanges(t *testing.T) int {
	t.Helper()
	n, err := s.guest.figure("reconciler_changes_total", `target="host"`)
	if err != nil {
		t.Fatal(err)
	}
	return int(n)
}

// settled waits until the running daemon has looked at host and ACL and both
// are as they should be.
func (s *site) settled(t *testing.T) {
	t.Helper()
	eventually(t, "the daemon has host and ACL in order", func() error {
		if _, err := s.guest.get("/readyz"); err != nil {
			return err
		}
		for _, target := range []string{"host", s.edge.acl} {
			if n, err := s.guest.figure("reconciler_target_healthy", `target="`+target+`"`); err != nil || n != 1 {
				return fmt.Errorf("%s is at %v (%w)", target, n, err)
			}
		}
		return nil
	})
}

// property reads what systemd knows of a unit.
func (s *site) property(t *testing.T, unit, name string) string {
	t.Helper()
	return strings.TrimSpace(s.guest.must(t, "systemctl show -P "+name+" "+unit))
}

// ban is one line of status.
type ban struct {
	Prefix     netip.Prefix
	Jails      []string
	Until      *time.Time
	EnforcedBy []string `json:"enforced_by"`
}

// bans asks the program, as an operator does.
func (s *site) bans() (map[netip.Addr]ban, error) {
	out, err := s.guest.do(awsEnv + "reconciler status -o json 2>/dev/null")
	if err != nil {
		return nil, fmt.Errorf("%w: %s", err, out)
	}
	var status struct{ Bans []ban }
	if err := json.Unmarshal([]byte(out), &status); err != nil {
		return nil, err
	}
	bans := map[netip.Addr]ban{}
	for _, b := range status.Bans {
		bans[b.Prefix.Addr()] = b
	}
	return bans, nil
}

// aKill is the worst end of a daemon: systemd starts it again.
func (s *site) aKill(t *testing.T) {
	s.guest.must(t, "kill -9 $(systemctl show -P MainPID reconciler)")
	eventually(t, "systemd has started the daemon again", func() error {
		if n := s.property(t, "reconciler", "NRestarts"); n != "1" {
			return fmt.Errorf("it was restarted %s times", n)
		}
		return nil
	})
	s.settled(t)
	s.unchangedHost(t, 0)
}

func (s *site) aRestart(t *testing.T) {
	s.guest.must(t, "systemctl restart reconciler")
	s.settled(t)
	s.unchangedHost(t, 0)
}

// unchangedHost wants no more changes of the host's firewall than there were.
func (s *site) unchangedHost(t *testing.T, before int) {
	t.Helper()
	if n := s.hostChanges(t); n != before {
		t.Errorf("the daemon made %d changes of the host's firewall, want none", n-before)
	}
}

// aReboot ends all sessions. The bans must be in force before sshd answers.
func (s *site) aReboot(t *testing.T) {
	s.leave()
	s.watch.set(rebooting)
	old := s.guest.leader()
	s.guest.must(t, "systemctl --no-block reboot")
	eventually(t, "the bastion comes up again", func() error {
		if now := s.guest.leader(); now == 0 || now == old {
			return errDown
		}
		return nil
	})
	s.guest.waitUntilUp()
	s.enforced(t, s.watch.now()...)
	s.watch.set(inOrder)
	s.start(t)
	s.settled(t)
	for _, later := range []string{"ssh", "fail2ban", "systemd-networkd"} {
		ours, err := strconv.Atoi(s.property(t, "reconciler", "ActiveEnterTimestampMonotonic"))
		theirs, err2 := strconv.Atoi(s.property(t, later, "ExecMainStartTimestampMonotonic"))
		if err != nil || err2 != nil || ours == 0 || theirs < ours {
			t.Errorf("%s started at %d µs, and the bans were in force only at %d µs (%v, %v)", later, theirs, ours, err, err2)
		}
	}
}
