package fail2ban

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"reconciler/internal/testenv"
)

var passed = regexp.MustCompile(`(?s)Ran 2 tests in .*\n\nOK\n`)

// stockTests runs fail2ban's own tests of every action and jail of a
// configuration, where commands are composed but not run.
func stockTests(t *testing.T, config string) string {
	t.Helper()
	cmd := exec.Command(testenv.NeedProgram(t, "fail2ban-testcases"), "testCheckStockAllActions|testCheckStockJailActions")
	cmd.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8", "FAIL2BAN_CONFIG_DIR=" + config}
	out, err := cmd.CombinedOutput()
	if _, failed := errors.AsType[*exec.ExitError](err); err != nil && !failed {
		t.Fatalf("running fail2ban's tests: %v", err)
	}
	return string(out)
}

func TestFail2bansOwnTestsTakeTheAction(t *testing.T) {
	if out := stockTests(t, configDir(t)); !passed.MatchString(out) {
		t.Errorf("fail2ban's tests did not pass with our action:\n%s", out)
	}
}

func TestFail2bansOwnTestsSeeTheAction(t *testing.T) {
	config := configDir(t)
	path := filepath.Join(config, "action.d", "reconciler.conf")
	action, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	write(t, path, strings.Replace(string(action), "actionban =", "actionban = <actionban>", 1))
	if out := stockTests(t, config); passed.MatchString(out) {
		t.Errorf("fail2ban's tests pass with a broken action of ours, so they do not look at it:\n%s", out)
	}
}

func TestTheExampleJailIsValid(t *testing.T) {
	config := configDir(t)
	jail, err := os.ReadFile(filepath.Join(deploy, "jail.d", "reconciler-sshd.conf"))
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(config, "jail.d", "reconciler-sshd.conf"), string(jail))
	log := filepath.Join(t.TempDir(), "auth.log")
	write(t, log, "")
	write(t, filepath.Join(config, "jail.d", "zz-test.conf"), "[sshd]\nbackend = polling\nlogpath = "+log+"\n")

	out, err := exec.Command(testenv.NeedProgram(t, "fail2ban-client"), "-c", config, "-d").CombinedOutput()
	if err != nil {
		t.Fatalf("fail2ban does not take the example jail: %v\n%s", err, out)
	}
	for _, want := range []string{"['set', 'sshd', 'addaction', 'reconciler']", "'bantime.increment', True", "/usr/bin/reconciler"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("with the example jail fail2ban does not get %q:\n%s", want, out)
		}
	}
	if strings.Contains(string(out), "iptables") {
		t.Errorf("the example jail leaves a stock action in place:\n%s", out)
	}
}

// Debian 12 writes no auth.log, and a jail without its log file keeps fail2ban
// from starting.
func TestTheExampleJailNeedsNoLogFile(t *testing.T) {
	config := configDir(t)
	jail, err := os.ReadFile(filepath.Join(deploy, "jail.d", "reconciler-sshd.conf"))
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(config, "jail.d", "defaults-debian.conf"), "[sshd]\nenabled = true\nlogpath = "+filepath.Join(t.TempDir(), "auth.log")+"\n")
	write(t, filepath.Join(config, "jail.d", "reconciler-sshd.conf"), string(jail))
	out, err := exec.Command(testenv.NeedProgram(t, "fail2ban-client"), "-c", config, "--test").CombinedOutput()
	if err != nil {
		t.Errorf("where sshd logs to the journal alone fail2ban does not take the example jail: %v\n%s", err, out)
	}
}
