//go:build e2e

package crash

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"reconciler/internal/config"
	"reconciler/internal/ec2sim"
	"reconciler/internal/observed"
	"reconciler/internal/testenv"
	"reconciler/internal/tool"
)

// site is a simulated EC2 beside the real firewall of the namespace.
type site struct {
	sim     *ec2sim.Server
	acl     string
	state   string
	args    []string
	env     []string
	foreign []ec2sim.Entry
	room    int         // for entries of ours in the ACL
	ready   atomic.Bool // the last daemon has told so
}

// quota is small: one more ban in the ACL adds no point of a new kind.
const quota = 8

func newSite(t *testing.T, args ...string) *site {
	t.Helper()
	testenv.CleanFirewall(t)
	s := &site{sim: ec2sim.New(ec2sim.Options{}), state: filepath.Join(t.TempDir(), "bans.jsonl")}
	s.acl = s.sim.Bastion()
	for n, prefix := range map[int]string{7: "192.0.2.7/32", 200: "192.0.2.200/32"} {
		e := ec2sim.Entry{Number: n, Protocol: "6", Prefix: netip.MustParsePrefix(prefix), Ports: ec2sim.PortRange{From: 25, To: 25}}
		if err := s.sim.PutEntry(s.acl, e); err != nil {
			t.Fatal(err)
		}
	}
	s.foreign = s.notOurs()
	s.sim.SetQuota(quota)
	s.room = quota
	for _, e := range s.sim.Entries(s.acl) {
		if !e.Egress && e.Prefix.Addr().Is4() {
			s.room--
		}
	}
	listener, err := ec2sim.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- s.sim.Serve(ctx, listener) }()
	t.Cleanup(func() {
		stop()
		if err := <-served; err != nil && !errors.Is(err, context.Canceled) {
			t.Errorf("the EC2 endpoint ended with: %v", err)
		}
	})
	none := filepath.Join(t.TempDir(), "config.yaml")
	put(t, none, "")
	s.env = append(os.Environ(), s.sim.Env("http://"+listener.Addr().String())...)
	s.args = append([]string{"apply", "--state", s.state, "--run-dir", filepath.Dir(s.state), "--config", none, "--quota", strconv.Itoa(quota)}, args...)
	return s
}

func (s *site) command() *exec.Cmd {
	cmd := exec.Command(reconcilerPath, s.args...)
	cmd.Env = s.env
	return cmd
}

// daemon is the same as a daemon, which tells when it is ready.
func (s *site) daemon(t *testing.T) *exec.Cmd {
	t.Helper()
	dir, err := os.MkdirTemp("", "crash") // the path of a socket has to be short
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "notify")
	socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	s.ready.Store(false)
	go func() {
		buffer := make([]byte, 4096)
		for {
			n, err := socket.Read(buffer)
			if err != nil {
				return // closed
			}
			if strings.Contains(string(buffer[:n]), "READY=1") {
				s.ready.Store(true)
			}
		}
	}()
	t.Cleanup(func() { _ = socket.Close(); _ = os.RemoveAll(dir) })
	cmd := exec.Command(reconcilerPath, append([]string{"run"}, s.args[1:]...)...)
	cmd.Env = append(slices.Clone(s.env), "NOTIFY_SOCKET="+path)
	return cmd
}

func (s *site) apply(t *testing.T, at string) {
	t.Helper()
	if out, err := s.command().CombinedOutput(); err != nil {
		t.Errorf("%s the next apply fails: %v\n%.2000s", at, err, out)
	}
}

func (s *site) notOurs() []ec2sim.Entry {
	return slices.DeleteFunc(s.sim.Entries(s.acl), func(e ec2sim.Entry) bool {
		return !e.Egress && !e.Allow && !e.Default() && e.Protocol == "-1"
	})
}

// edge gives what of ours the ACL denies.
func (s *site) edge() []string {
	var out []string
	for _, e := range s.sim.Entries(s.acl) {
		if !e.Egress && !e.Allow && !e.Default() && e.Protocol == "-1" {
			out = append(out, e.Prefix.String())
		}
	}
	slices.Sort(out)
	return out
}

// host gives what the real firewall blocks; nothing while its chain is not whole.
func (s *site) host(t *testing.T) []string {
	t.Helper()
	spec := observed.HostSpec{
		Backend: config.HostIPSet, Chain: "f2b-reconciler", Hooks: []string{"INPUT"},
		Block: config.BlockReject, Shape: observed.Shape{Protocol: observed.ProtocolAll},
	}.WithDefaults()
	h, err := observed.HostReader{Run: tool.Exec{}, Spec: spec}.Read(t.Context(), time.Now())
	if err != nil {
		t.Fatalf("reading the firewall: %v", err)
	}
	if len(h.Defects) > 0 {
		return nil
	}
	var out []string
	for _, e := range h.Entries {
		out = append(out, e.Prefix.String())
	}
	slices.Sort(out)
	return out
}

// safe checks what must hold at the moment of death.
func (s *site) safe(t *testing.T, at string, enforced, known []string) {
	t.Helper()
	if !slices.Equal(s.notOurs(), s.foreign) {
		t.Errorf("%s what is not ours has become\n%v, it was\n%v", at, s.notOurs(), s.foreign)
	}
	if n := len(s.edge()); n > s.room {
		t.Errorf("%s the ACL has %d entries of ours, and room for %d", at, n, s.room)
	}
	host, edge := s.host(t), s.edge()
	for _, p := range enforced {
		if !slices.Contains(host, p) && !slices.Contains(edge, p) {
			t.Errorf("%s %s is enforced no more, and still wanted", at, p)
		}
	}
	for _, p := range slices.Concat(host, edge) {
		if !slices.Contains(known, p) {
			t.Errorf("%s %s is blocked, which nobody asked for", at, p)
		}
	}
}

// mends checks that the next apply reaches the goal and the one after it has
// nothing to do.
func (s *site) mends(t *testing.T, at string, wanted []string) {
	t.Helper()
	s.apply(t, at)
	s.rests(t, at+", after the next apply,", wanted)
}

// rests checks that the goal is reached and that an apply has nothing to do.
func (s *site) rests(t *testing.T, at string, wanted []string) {
	t.Helper()
	slices.Sort(wanted)
	if host := s.host(t); !slices.Equal(host, wanted) {
		t.Errorf("%s the host blocks %d prefixes, want %d: %.400v", at, len(host), len(wanted), host)
	}
	if edge := s.edge(); slices.ContainsFunc(edge, func(p string) bool { return !slices.Contains(wanted, p) }) {
		t.Errorf("%s the ACL denies %v", at, edge)
	}
	s.sim.ResetCalls()
	s.apply(t, at)
	if w := s.sim.Writes(); len(w) > 0 {
		t.Errorf("%s another apply still makes %d calls, the first %s", at, len(w), w[0].Action)
	}
}

// change appends bans, and unbans of prefixes.
func (s *site) change(t *testing.T, bans string, unbans []string) {
	t.Helper()
	log, err := os.OpenFile(s.state, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = log.Close() }()
	for _, p := range unbans {
		bans += fmt.Sprintf(`{"op":"unban","ip":%q,"time":%d}`+"\n", p, time.Now().Unix())
	}
	if _, err := log.WriteString(bans); err != nil {
		t.Fatal(err)
	}
}

func manyPrefixes(n int) []string {
	out := make([]string, n)
	for i := range out {
		var a [4]byte
		binary.BigEndian.PutUint32(a[:], 0xC6120000+uint32(i)+101) // in 198.18.0.0/15
		out[i] = netip.PrefixFrom(netip.AddrFrom4(a), 32).String()
	}
	return out
}
