//go:build e2e

package files

import (
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"reconciler/internal/ec2sim"
	"reconciler/internal/testenv"
	"reconciler/internal/tool"
)

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
	*testenv.Daemon
}

// start starts the daemon. It is killed at the end of the test.
func (s *site) start(args ...string) *daemon {
	s.t.Helper()
	cmd := exec.Command(reconcilerPath, append([]string{"run"}, args...)...)
	cmd.Env = append(os.Environ(), s.env...)
	return &daemon{s, testenv.Start(s.t, cmd, func() string { return fmt.Sprintf("the ACL: %v", s.sim.Entries(s.acl)) })}
}
