//go:build e2e

package files

import (
	"errors"
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"reconciler/internal/ec2sim"
	"reconciler/internal/testenv"
	"reconciler/internal/tool"
)

// patience is how long a test waits for what must come. It bounds a failure and
// measures nothing.
const patience = time.Minute

var chains atomic.Int32

// site is a bastion: a log, a chain of its own in the real firewall of the
// namespace, and a simulated EC2.
type site struct {
	t     *testing.T
	sim   *ec2sim.Server
	acl   string
	log   string // the path that the program is given
	chain string
	env   []string
}

// newSite makes a bastion whose log is at a path.
func newSite(t *testing.T, log string) *site {
	t.Helper()
	testenv.Need(t, "ipset", "iptables", "ip6tables")
	s := &site{t: t, sim: ec2sim.New(ec2sim.Options{}), log: log, chain: fmt.Sprintf("f2b-files-%d", chains.Add(1))}
	s.acl = s.sim.Bastion()
	server := httptest.NewServer(s.sim)
	t.Cleanup(server.Close)
	dir := t.TempDir()
	put(t, filepath.Join(dir, "config.yaml"), "")
	s.env = append(s.sim.Env(server.URL),
		"RECONCILER_CONFIG="+filepath.Join(dir, "config.yaml"), "RECONCILER_STATE="+log, "RECONCILER_RUN_DIR="+filepath.Join(dir, "run"),
		"RECONCILER_HOST_ID=bastion", "RECONCILER_NACL="+s.acl, "RECONCILER_CHAIN="+s.chain, "RECONCILER_HOST=ipset",
	)
	return s
}

// run runs a command to its end.
func (s *site) run(args ...string) outcome {
	s.t.Helper()
	return reconciler(s.t, s.env, args...)
}

// must runs a command that has to succeed.
func (s *site) must(args ...string) {
	s.t.Helper()
	if out := s.run(args...); out.status != 0 {
		s.t.Fatalf("`reconciler %s` exits %d and says: %s", strings.Join(args, " "), out.status, out.stderr)
	}
}

func (s *site) onHost(ip string) bool {
	_, err := tool.Exec{}.Run(s.t.Context(), nil, "ipset", "test", s.chain+"-v4", ip)
	return err == nil
}

func (s *site) inACL(ip string) bool {
	for _, e := range s.sim.Entries(s.acl) {
		if !e.Egress && !e.Allow && e.Prefix.String() == ip+"/32" {
			return true
		}
	}
	return false
}

func (s *site) everywhere(ip string) bool { return s.onHost(ip) && s.inACL(ip) }

// daemon is a running `reconciler run`.
type daemon struct {
	*site
	cmd   *exec.Cmd
	said  testenv.Buffer
	ended chan struct{}
}

// start starts the daemon. It is killed at the end of the test.
func (s *site) start(args ...string) *daemon {
	s.t.Helper()
	d := &daemon{site: s, cmd: exec.Command(reconcilerPath, append([]string{"run"}, args...)...), ended: make(chan struct{})}
	d.cmd.Env, d.cmd.Stderr = append(os.Environ(), s.env...), &d.said
	if err := d.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	go func() {
		_ = d.cmd.Wait() // the process state says how it ended
		close(d.ended)
	}()
	s.t.Cleanup(func() { d.stop(syscall.SIGKILL) })
	return d
}

// stop sends a signal and waits for the end.
func (d *daemon) stop(signal syscall.Signal) int {
	if err := d.cmd.Process.Signal(signal); err != nil && !errors.Is(err, os.ErrProcessDone) {
		d.t.Errorf("sending %v: %v", signal, err)
	}
	select {
	case <-d.ended:
	case <-time.After(patience):
		d.t.Fatalf("the daemon goes on after %v; its log:\n%s", signal, d.said.String())
	}
	return d.cmd.ProcessState.ExitCode()
}

// eventually waits until the condition holds.
func (d *daemon) eventually(sentence string, holds func() bool) {
	d.t.Helper()
	deadline := time.After(patience)
	for !holds() {
		select {
		case <-time.After(20 * time.Millisecond):
		case <-d.ended:
			d.t.Fatalf("the daemon has ended before this was so: %s\nits log:\n%s", sentence, d.said.String())
		case <-deadline:
			d.t.Fatalf("this did not come to be: %s\nthe daemon's log:\n%s", sentence, d.said.String())
		}
	}
}

// says waits for words in the daemon's log after a mark.
func (d *daemon) says(after int, words string) {
	d.t.Helper()
	d.eventually(fmt.Sprintf("the log says %q", words), func() bool { return strings.Contains(d.said.String()[after:], words) })
}
