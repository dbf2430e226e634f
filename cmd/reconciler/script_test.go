package main

import (
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"reconciler/internal/ec2sim"
	"reconciler/internal/testenv"
)

// Every script gets a directory, a sandboxed EC2 and a chain of its own. The
// chain is the lock as well, so scripts can run at the same time.
func TestScripts(t *testing.T) {
	testscript.Run(t, scripts("testdata/script"))
}

// These scripts write to the namespace's firewall, or mount in it.
func TestScriptsOnTheHost(t *testing.T) {
	testenv.Need(t, "ipset", "iptables", "ip6tables")
	testscript.Run(t, scripts("testdata/host"))
}

func scripts(dir string) testscript.Params {
	return testscript.Params{
		Dir:       dir,
		Setup:     setUpScript,
		Condition: scriptCondition,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": cmdExits,
			"json":  cmdJSON,
			"sim":   cmdSim,
			"tmpfs": cmdTmpfs,
		},
		UpdateScripts:       *update,
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
	}
}

var chains atomic.Int32

func setUpScript(env *testscript.Env) error {
	sim := ec2sim.New(ec2sim.Options{})
	server := httptest.NewServer(sim)
	env.Defer(func() { sim.ReleaseAll(); server.Close() })
	aclID := sim.Bastion()
	env.Values[simKey{}] = &simulated{sim, aclID}
	bin, err := installProgram(env.WorkDir)
	if err != nil {
		return err
	}
	env.Vars = append(env.Vars, sim.Env(server.URL)...)
	env.Vars = append(env.Vars, programSettings(env.WorkDir)...)
	env.Setenv("PATH", bin+":"+os.Getenv("PATH"))
	env.Setenv("ACL", aclID)
	env.Setenv("LOG", filepath.Join(env.WorkDir, "bans.jsonl"))
	env.Setenv("CHAIN", env.Getenv("RECONCILER_CHAIN"))
	return nil
}

// programSettings are the settings that keep a program under test to a
// directory, without a host firewall.
func programSettings(dir string) []string {
	return []string{
		"TZ=UTC",
		"GORACE=atexit_sleep_ms=10", // under the race detector each process waits a second at its end
		"RECONCILER_CONFIG=" + filepath.Join(dir, "config.yaml"),
		"RECONCILER_STATE=" + filepath.Join(dir, "bans.jsonl"),
		"RECONCILER_RUN_DIR=" + filepath.Join(dir, "run"),
		"RECONCILER_HOST=none",
		"RECONCILER_HOST_ID=bastion",
		fmt.Sprintf("RECONCILER_CHAIN=f2b-test-%d", chains.Add(1)),
	}
}

// installProgram puts the test binary into a directory under the program's
// name, with an empty configuration beside it unless there is one.
func installProgram(dir string) (bin string, err error) {
	self, err := os.Executable()
	if err != nil {
		return "", err
	}
	config, err := os.OpenFile(filepath.Join(dir, "config.yaml"), os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return "", err
	}
	if err := config.Close(); err != nil {
		return "", err
	}
	bin = filepath.Join(dir, "bin")
	if err := os.MkdirAll(bin, 0o700); err != nil {
		return "", err
	}
	return bin, os.Symlink(self, filepath.Join(bin, programName))
}

// scriptCondition knows [chown]: this user can give files away. Where CI=true
// it must be so.
func scriptCondition(name string) (bool, error) {
	if name != "chown" {
		return false, fmt.Errorf("unknown condition %q", name)
	}
	file, err := os.CreateTemp("", "chown")
	if err != nil {
		return false, err
	}
	defer os.Remove(file.Name()) //nolint:errcheck // a temporary file
	defer file.Close()           //nolint:errcheck // nothing was written
	err = file.Chown(65534, 65534)
	if err != nil && os.Getenv("CI") == "true" {
		return false, fmt.Errorf("with CI=true these tests run as root: %w", err)
	}
	return err == nil, nil
}
