package main

import (
	"bytes"
	"errors"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"reconciler/internal/config"
	"reconciler/internal/ec2sim"
	"reconciler/internal/testenv"
	"reconciler/internal/tool"
)

// site is a host with a log, a chain and an EC2 of its own.
type site struct {
	*simulated
	t     *testing.T
	dir   string
	log   string
	chain string
	env   []string
}

func newSite(t *testing.T) *site {
	t.Helper()
	testenv.Need(t, "ipset", "iptables", "ip6tables")
	sim := ec2sim.New(ec2sim.Options{})
	server := httptest.NewServer(sim)
	t.Cleanup(func() { sim.ReleaseAll(); server.Close() })
	s := &site{simulated: &simulated{sim, sim.Bastion()}, t: t, dir: t.TempDir()}
	bin, err := installProgram(s.dir)
	if err != nil {
		t.Fatal(err)
	}
	s.log = filepath.Join(s.dir, "bans.jsonl")
	s.env = append(programSettings(s.dir), sim.Env(server.URL)...)
	s.env = append(s.env, "PATH="+bin+":"+os.Getenv("PATH"), "HOME=/no-home", "RECONCILER_HOST="+config.HostIPSet)
	s.chain = s.setting("RECONCILER_CHAIN")
	return s
}

func (s *site) setting(name string) string {
	value := ""
	for _, pair := range s.env {
		if text, ok := strings.CutPrefix(pair, name+"="); ok {
			value = text
		}
	}
	return value
}

// command makes a process of the program.
func (s *site) command(args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(s.dir, "bin", programName), args...)
	cmd.Args[0] = programName
	cmd.Env, cmd.Dir = s.env, s.dir
	return cmd
}

// run runs a command to its end.
func (s *site) run(args ...string) (stdout, stderr string, status int) {
	s.t.Helper()
	var out, errOut bytes.Buffer
	cmd := s.command(args...)
	cmd.Stdout, cmd.Stderr = &out, &errOut
	err := cmd.Run()
	if _, failed := errors.AsType[*exec.ExitError](err); err != nil && !failed {
		s.t.Fatal(err)
	}
	return out.String(), errOut.String(), cmd.ProcessState.ExitCode()
}

// must runs a command that has to succeed.
func (s *site) must(args ...string) {
	s.t.Helper()
	if _, stderr, status := s.run(args...); status != 0 {
		s.t.Fatalf("`reconciler %s` exits %d and says: %s", strings.Join(args, " "), status, stderr)
	}
}

// configure writes the configuration file.
func (s *site) configure(text string) { writeFile(s.t, filepath.Join(s.dir, "config.yaml"), text) }

// onHost says that the host's set holds an IPv4 address.
func (s *site) onHost(ip string) bool {
	_, err := tool.Exec{}.Run(s.t.Context(), nil, "ipset", "test", s.chain+"-v4", ip)
	return err == nil
}

// inACL says that a deny of the ACL has exactly this address.
func (s *site) inACL(ip string) bool { return strings.Contains(s.rules(), " "+ip+"/32\n") }

func (s *site) everywhere(ip string) bool { return s.onHost(ip) && s.inACL(ip) }

func (s *site) nowhere(ip string) bool { return !s.onHost(ip) && !s.inACL(ip) }

// hasChain says that a chain of this name is in the IPv4 filter table.
func (s *site) hasChain(name string) bool {
	_, err := tool.Exec{}.Run(s.t.Context(), nil, "iptables", "-S", name)
	return err == nil
}

// process is a running `reconciler run`.
type process struct {
	*site
	*testenv.Daemon
}

// start starts the daemon. It is killed at the end of the test.
func (s *site) start(args ...string) *process {
	s.t.Helper()
	scene := func() string { return "the ACL:\n" + s.rules() }
	return &process{s, testenv.Start(s.t, s.command(append([]string{"run"}, args...)...), scene)}
}
