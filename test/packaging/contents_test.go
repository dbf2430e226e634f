//go:build e2e

package packaging

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"reconciler/internal/testenv"
)

// files are what both packages hold, with the mode as ls writes it.
var files = map[string]string{
	"/usr/bin/reconciler":                                            "-rwxr-xr-x",
	"/usr/lib/systemd/system/reconciler.service":                     "-rw-r--r--",
	"/usr/lib/reconciler/saved-sets":                                 "-rwxr-xr-x",
	"/usr/lib/sysusers.d/reconciler.conf":                            "-rw-r--r--",
	"/usr/lib/systemd/system/iptables.service.d/50-reconciler.conf":  "-rw-r--r--",
	"/usr/lib/systemd/system/ip6tables.service.d/50-reconciler.conf": "-rw-r--r--",
	"/usr/lib/systemd/system/firewalld.service.d/50-reconciler.conf": "-rw-r--r--",
	"/usr/lib/tmpfiles.d/reconciler.conf":                            "-rw-r--r--",
	"/usr/lib/modules-load.d/reconciler.conf":                        "-rw-r--r--",
	"/usr/share/doc/reconciler/deploy/config.yaml":                   "-rw-r--r--",
	"/etc/fail2ban/action.d/reconciler.conf":                         "-rw-r--r--",
	"/usr/share/man/man8/reconciler.8.gz":                            "-rw-r--r--",
	"/usr/share/man/man8/reconciler-ban.8.gz":                        "-rw-r--r--",
	"/usr/share/man/man5/reconciler.yaml.5.gz":                       "-rw-r--r--",
	"/usr/share/bash-completion/completions/reconciler":              "-rw-r--r--",
	"/usr/share/doc/reconciler/examples/reconciler-policy.json":      "-rw-r--r--",
	"/usr/share/doc/reconciler/examples/reconciler-sshd.conf":        "-rw-r--r--",
}

// It comes first: what it builds, others look at.
func TestTheSameSourceGivesTheSameBytesAnywhere(t *testing.T) {
	testenv.NeedProgram(t, "dpkg-deb")
	built(t)
	elsewhere := filepath.Join(t.TempDir(), "another", "place")
	run(t, "sh", "-c", `mkdir -p "$2" && cp -R "$1/." "$2/"`, "sh", tree, elsewhere)
	goEnv := func(name string) string { return name + "=" + strings.TrimSpace(run(t, "go", "env", name)) }
	deb, rpm := build(t, elsewhere, "1.0.0", goEnv("GOCACHE"), goEnv("GOPATH"), "HOME="+t.TempDir(), "TZ=Asia/Tokyo", "LC_ALL=C.UTF-8", "USER=somebody")
	if !bytes.Equal(read(t, deb), first.deb) {
		t.Error("two builds of the .deb differ")
	}
	if !bytes.Equal(read(t, rpm), first.rpm) {
		t.Error("two builds of the .rpm differ")
	}
}

func TestTheDebHoldsWhatAHostNeeds(t *testing.T) {
	testenv.NeedProgram(t, "dpkg-deb")
	deb, _ := built(t)
	list := run(t, "dpkg-deb", "-c", deb)
	for path, mode := range files {
		if !regexp.MustCompile(`(?m)^` + mode + ` root/root .* \.` + regexp.QuoteMeta(path) + `$`).MatchString(list) {
			t.Errorf("the .deb does not hold %s with mode %s:\n%s", path, mode, list)
		}
	}
	if !strings.Contains(list, "./usr/share/netfilter-persistent/plugins.d/12-reconciler\n") {
		t.Errorf("the .deb does not hold the plugin of netfilter-persistent:\n%s", list)
	}
	about := run(t, "dpkg-deb", "-I", deb)
	for _, want := range []string{"Depends: iptables, ipset", "Recommends: fail2ban", "Architecture: amd64", "Version: 1.0.0-1"} {
		if !strings.Contains(about, want) {
			t.Errorf("the .deb does not say %q:\n%s", want, about)
		}
	}
	if conf := run(t, "dpkg-deb", "-I", deb, "conffiles"); strings.Contains(conf, "config.yaml") || strings.Contains(list, " ./etc/reconciler/config.yaml") {
		t.Errorf("the package ships the operator's file, so an upgrade asks; conffiles are:\n%s", conf)
	}
}

func TestTheRpmHoldsWhatAHostNeeds(t *testing.T) {
	testenv.NeedProgram(t, "rpm")
	_, rpm := built(t)
	list := run(t, "rpm", "-qp", "--nosignature", "--qf", "[%{FILEMODES:perms} %{FILEUSERNAME} %{FILENAMES}\n]", rpm)
	for path, mode := range files {
		if !strings.Contains(list, mode+" root "+path+"\n") {
			t.Errorf("the .rpm does not hold %s with mode %s:\n%s", path, mode, list)
		}
	}
	if ghost := run(t, "rpm", "-qp", "--nosignature", "--qf", "[%{FILEFLAGS:fflags} %{FILENAMES}\n]", rpm); !strings.Contains(ghost, "g /etc/reconciler/config.yaml\n") {
		t.Errorf("the .rpm does not say that the operator's file may be there, so an upgrade moves it aside:\n%s", ghost)
	}
	if needs := run(t, "rpm", "-qRp", "--nosignature", rpm); !strings.Contains(needs, "ipset") || !strings.Contains(needs, "iptables") {
		t.Errorf("the .rpm needs only:\n%s", needs)
	}
	scripts := run(t, "rpm", "-qp", "--nosignature", "--scripts", rpm)
	for _, want := range []string{"postinstall scriptlet", "preuninstall scriptlet", "postuninstall scriptlet", "reconciler teardown"} {
		if !strings.Contains(scripts, want) {
			t.Errorf("the .rpm's scripts do not have %q:\n%s", want, scripts)
		}
	}
}

func TestTheUnitExposesLittle(t *testing.T) {
	testenv.NeedProgram(t, "systemd-analyze")
	said := run(t, "systemd-analyze", "security", "--offline=yes", "--threshold=20", "deploy/systemd/reconciler.service")
	if !strings.Contains(said, "Overall exposure level") {
		t.Errorf("systemd-analyze says:\n%s", said)
	}
}

func TestTheScriptsAreAlsoRightForASimpleShell(t *testing.T) {
	entries, err := os.ReadDir(root + "/deploy/packaging")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), ".sh") {
			run(t, "sh", "-n", "deploy/packaging/"+e.Name())
		}
	}
}

func TestTerraformGrantsWhatThePolicyGrantsAndNoMore(t *testing.T) {
	var policy struct{ Statement []struct{ Action any } }
	if err := json.Unmarshal(read(t, root+"/deploy/iam/reconciler-policy.json"), &policy); err != nil {
		t.Fatal(err)
	}
	action := regexp.MustCompile(`ec2:[A-Za-z]+`)
	granted := func(text string) []string {
		found := action.FindAllString(text, -1)
		slices.Sort(found)
		return slices.Compact(found)
	}
	want := granted(fmt.Sprint(policy.Statement))
	if got := granted(string(read(t, root+"/deploy/terraform/role.tf"))); !slices.Equal(got, want) || len(want) != 4 {
		t.Errorf("Terraform grants %v, the policy %v", got, want)
	}
	if _, err := exec.LookPath("terraform"); err == nil { // it comes from no distribution, so CI may not have it
		run(t, "terraform", "fmt", "-check", "-recursive", "deploy/terraform")
	}
}
