package packaging

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"reconciler/internal/testenv"
)

const early = "DefaultDependencies=no\nConflicts=shutdown.target\nBefore=shutdown.target\n"

// sites are the ways in which images bring up the network and the logins, as
// Debian 12, Ubuntu 24.04 and Amazon Linux 2023 publish them.
var sites = map[string]map[string]string{
	"ifupdown": {
		"networking.service": early + "Wants=network.target\nAfter=local-fs.target network-pre.target apparmor.service systemd-sysctl.service systemd-modules-load.service\nBefore=network.target network-online.target\n",
		"ssh.service":        "After=network.target auditd.service\n",
	},
	"ifupdown and cloud-init": {
		"networking.service":       early + "Wants=network.target\nAfter=local-fs.target network-pre.target systemd-sysctl.service systemd-modules-load.service\nBefore=network.target network-online.target\n",
		"cloud-init-local.service": early + "Wants=network-pre.target\nAfter=systemd-remount-fs.service\nBefore=NetworkManager.service network-pre.target sysinit.target\nRequiresMountsFor=/var/lib/cloud\n",
		"cloud-init.service":       early + "Wants=cloud-init-local.service sshd-keygen.service sshd.service\nAfter=cloud-init-local.service systemd-networkd-wait-online.service networking.service\nBefore=network-online.target sshd-keygen.service sshd.service sysinit.target systemd-user-sessions.service\n",
		"cloud-config.service":     "Wants=network-online.target\nAfter=network-online.target cloud-config.target\n",
		"ssh.service":              "After=network.target auditd.service\n",
	},
	"networkd, cloud-init and a socket": {
		"systemd-networkd.service":             early + "Wants=network.target\nAfter=systemd-udevd.service network-pre.target systemd-sysusers.service systemd-sysctl.service\nBefore=network.target multi-user.target\n",
		"systemd-networkd-wait-online.service": early + "Requires=systemd-networkd.service\nAfter=systemd-networkd.service\nBefore=network-online.target\n",
		"cloud-init-local.service":             early + "Wants=network-pre.target\nAfter=systemd-remount-fs.service\nBefore=NetworkManager.service network-pre.target sysinit.target\nRequiresMountsFor=/var/lib/cloud\n",
		"cloud-init.service":                   early + "Wants=cloud-init-local.service sshd-keygen.service sshd.service\nAfter=cloud-init-local.service systemd-networkd-wait-online.service networking.service\nBefore=network-online.target sshd-keygen.service sshd.service sysinit.target systemd-user-sessions.service\n",
		"cloud-config.service":                 "Wants=network-online.target\nAfter=network-online.target cloud-config.target\n",
		"ssh.socket":                           "Before=sockets.target ssh.service\nConditionPathExists=!/etc/ssh/sshd_not_to_be_run\n[Socket]\nListenStream=22\nAccept=no\n",
		"ssh.service":                          "Requires=ssh.socket\nAfter=network.target nss-user-lookup.target auditd.service ssh.socket\n",
	},
	"NetworkManager": {
		"NetworkManager.service":   "Wants=network.target\nAfter=network-pre.target dbus.service\nBefore=network.target network.service\n",
		"cloud-init-local.service": early + "Wants=network-pre.target\nAfter=systemd-remount-fs.service\nBefore=NetworkManager.service network-pre.target firewalld.target\nRequiresMountsFor=/var/lib/cloud\n",
		"cloud-init.service":       "Wants=cloud-init-local.service sshd-keygen.service sshd.service\nAfter=cloud-init-local.service NetworkManager.service NetworkManager-wait-online.service\nBefore=network-online.target sshd-keygen.service sshd.service systemd-user-sessions.service\n",
		"sshd.socket":              "Conflicts=sshd.service\n[Socket]\nListenStream=22\nAccept=yes\n",
		"sshd@.service":            "After=sshd-keygen.target\n",
		"sshd.service":             "Wants=sshd-keygen.target\nAfter=network.target sshd-keygen.target\n",
	},
}

// loaders are the units that load rules as a whole or come with rules of their
// own, in the forms that distributions publish and people pass on.
var loaders = map[string][]string{
	"iptables.service": {
		"After=network.target\n",
		"After=network-online.target\nWants=network-online.target\n",
		"Before=network-pre.target\nWants=network-pre.target\nAssertPathExists=/etc/sysconfig/iptables\n", // iptables-services
		"After=syslog.target\nBefore=ip6tables.service\nAssertPathExists=/etc/sysconfig/iptables\n",       // of RHEL 7
		early + "Before=network-pre.target\nWants=network-pre.target\nAfter=local-fs.target\n",            // Arch
		early + "Before=network.target\nAfter=systemd-modules-load.service local-fs.target\nWants=network-pre.target\n",
		"After=network.target sshd.service ssh.service\n",
		"After=multi-user.target\n",
		"After=network-online.target docker.service cloud-final.service\nWants=network-online.target\nBefore=fail2ban.service\n",
		"Before=network.target ssh.service sshd.service\nAfter=cloud-init.service\n",
	},
	"ip6tables.service":            {"After=network.target\n", "Before=network-pre.target\nWants=network-pre.target\nAfter=syslog.target iptables.service\n"},
	"netfilter-persistent.service": {early + "Wants=network-pre.target systemd-modules-load.service local-fs.target\nBefore=network-pre.target\nAfter=systemd-modules-load.service local-fs.target\n", early + "Wants=systemd-modules-load.service local-fs.target\nBefore=network.target\nAfter=systemd-modules-load.service local-fs.target\n"},
	"firewalld.service":            {"Wants=network-pre.target\nBefore=network-pre.target\nAfter=dbus.service polkit.service\nConflicts=iptables.service ip6tables.service ebtables.service ipset.service\n"},
	"nftables.service":             {early + "Wants=network-pre.target\nBefore=network-pre.target\n", "Wants=network-pre.target\nBefore=network-pre.target\n", early + "Wants=network-pre.target\nBefore=network-pre.target shutdown.target\nAfter=sysinit.target\n"},
	"ufw.service":                  {early + "Wants=network-pre.target\nBefore=network-pre.target\n", "DefaultDependencies=no\nBefore=network.target\n", early + "Before=network-pre.target\nWants=network-pre.target local-fs.target\nAfter=local-fs.target\n"},
	"docker.service":               {"After=network-online.target nss-lookup.target docker.socket firewalld.service containerd.service time-set.target\nWants=network-online.target containerd.service\n", "After=network-online.target firewalld.service\nWants=network-online.target\nBefore=fail2ban.service\n"},
	"fail2ban.service":             {"After=network.target iptables.service firewalld.service ip6tables.service ipset.service nftables.service\nPartOf=iptables.service firewalld.service ip6tables.service ipset.service nftables.service\n"},
}

// cycles gives what systemd says of cycles when it starts all of the units.
func cycles(t *testing.T, units map[string]string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "usr", "lib", "systemd", "system")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	own, err := filepath.Glob("/usr/lib/systemd/system/*.target")
	if err != nil || len(own) == 0 {
		t.Fatalf("systemd's own targets are not there (%v)", err)
	}
	for _, path := range append(own, "/usr/lib/systemd/system/systemd-tmpfiles-setup.service", "/usr/lib/systemd/system/systemd-modules-load.service", "/usr/lib/systemd/system/systemd-sysusers.service", "/usr/lib/systemd/system/systemd-remount-fs.service") {
		put(t, dir, filepath.Base(path), string(mustRead(t, path)))
	}
	var all []string
	for name := range loaders {
		if wipes(name) {
			if err := os.Mkdir(filepath.Join(dir, name+".d"), 0o755); err != nil {
				t.Fatal(err)
			}
			put(t, dir, name+".d/50-reconciler.conf", string(mustRead(t, rulesLoader)))
		}
	}
	for name, text := range units {
		if !strings.Contains(text, "[Unit]") {
			text = "[Unit]\n" + text
		}
		if strings.HasSuffix(name, ".service") && !strings.Contains(text, "[Service]") {
			text += "[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/true\n"
		}
		put(t, dir, name, text)
		if !strings.Contains(name, "@") {
			all = append(all, name)
		}
	}
	// Units that conflict do not start together, so each is started in a
	// transaction of its own, beside what every boot has.
	put(t, dir, "boot.target", "[Unit]\nWants="+strings.Join(all, " ")+"\nRequires=multi-user.target\nAfter=multi-user.target\n")
	said, _ := exec.Command("systemd-analyze", "verify", "--man=no", "--root="+filepath.Join(dir, "..", "..", "..", ".."), "boot.target").CombinedOutput() //nolint:noctx // it judges more than cycles, and ends by itself
	if strings.Contains(string(said), "Failed to") && strings.Contains(string(said), "boot.target") {
		t.Fatalf("systemd-analyze did not look: %s", said)
	}
	var found []string
	for line := range strings.Lines(string(said)) {
		if strings.Contains(line, "ordering cycle") || strings.Contains(line, "Found dependency") {
			found = append(found, line)
		}
	}
	return strings.Join(found, "")
}

func put(t *testing.T, dir, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func mustRead(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

const (
	unit        = "../../deploy/systemd/reconciler.service"
	rulesLoader = "../../deploy/systemd/rules-loader.conf"
)

// wipes reports whether a unit replaces the rules of others with its own.
func wipes(loader string) bool { return loader != "docker.service" && loader != "fail2ban.service" }

// Whoever wipes our rules asks for them when it is done, at whatever moment of
// the boot that is; and asks for nothing else.
func TestWhoeverLoadsRulesAsAWholeAsksForOurs(t *testing.T) {
	packaged := string(mustRead(t, "../../deploy/packaging/nfpm.yaml"))
	for loader := range loaders {
		line := "src: deploy/systemd/rules-loader.conf, dst: /usr/lib/systemd/system/" + loader + ".d/50-reconciler.conf,"
		if strings.Contains(packaged, line) != wipes(loader) {
			t.Errorf("of %s the packages hold the drop-in: %t, want %t", loader, !wipes(loader), wipes(loader))
		}
	}
	var settings []string
	for line := range strings.Lines(string(mustRead(t, rulesLoader))) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			settings = append(settings, line)
		}
	}
	want := []string{"[Service]", "ExecStartPre=+-/usr/lib/reconciler/saved-sets start", "ExecStartPost=+-/usr/bin/systemctl --no-block reload reconciler.service"}
	if !slices.Equal(settings, want) {
		t.Errorf("the drop-in says %q: what orders can close a cycle, and what waits or fails can keep the site's rules from loading", settings)
	}
}

// systemd leaves one of a cycle's units out, and that may be the network. What
// is a cycle without ours is not ours to answer for.
func TestTheUnitClosesNoCycleWithAnyPublishedForm(t *testing.T) {
	testenv.NeedProgram(t, "systemd-analyze")
	ours := string(mustRead(t, unit))
	clean := 0
	for site, base := range sites {
		for loader, forms := range loaders {
			for i, form := range forms {
				t.Run(fmt.Sprintf("%s/%s/%d", site, loader, i), func(t *testing.T) {
					units := maps.Clone(base)
					units[loader] = form
					units["reconciler.service"] = ours
					said := cycles(t, units)
					if said == "" {
						clean++
						return
					}
					delete(units, "reconciler.service")
					if cycles(t, units) == "" {
						t.Errorf("with %q:\n%s", form, said)
					}
				})
			}
		}
	}
	if clean < 60 {
		t.Errorf("%d boots were without a cycle: the units no longer say what they should", clean)
	}
}

// The order as it was: a cycle has to be found where there is one.
func TestACycleIsFoundWhereThereIsOne(t *testing.T) {
	testenv.NeedProgram(t, "systemd-analyze")
	units := maps.Clone(sites["ifupdown"])
	units["iptables.service"] = "After=network.target\n"
	units["reconciler.service"] = strings.Replace(string(mustRead(t, unit)), "\n[Service]", "\nAfter=iptables.service\n[Service]", 1)
	if cycles(t, units) == "" {
		t.Error("nothing is found")
	}
}

// The bans of before stand before anybody is answered.
func TestTheUnitComesBeforeTheNetworkAndTheLogins(t *testing.T) {
	var before, after []string
	for line := range strings.Lines(string(mustRead(t, unit))) {
		if names, ok := strings.CutPrefix(strings.TrimSpace(line), "Before="); ok {
			before = append(before, strings.Fields(names)...)
		}
		if names, ok := strings.CutPrefix(strings.TrimSpace(line), "After="); ok {
			after = append(after, strings.Fields(names)...)
		}
	}
	for _, name := range []string{"network-pre.target", "ssh.service", "sshd.service", "fail2ban.service"} {
		if !slices.Contains(before, name) {
			t.Errorf("it is not before %s", name)
		}
	}
	for _, name := range []string{"network.target", "sysinit.target", "basic.target"} {
		if slices.Contains(after, name) {
			t.Errorf("it waits for %s", name)
		}
	}
}
