//go:build e2e

package packaging

import (
	"strings"
	"testing"

	"reconciler/internal/testenv"
)

// leftAfterRemoval gives what is ours in the lists of rules and sets that stand
// between a removal and the next installation.
func leftAfterRemoval(out string) string {
	before, _, _ := strings.Cut(out, "Selecting previously")
	_, rules, found := strings.Cut(before, "-P INPUT")
	if !found || strings.Contains(rules, "f2b-reconciler") {
		return "rules:" + rules
	}
	return ""
}

// installed gives a guest that has the .deb and enforces a ban.
func installed(t *testing.T) *guest {
	t.Helper()
	g := newGuest(t)
	deb, _ := built(t)
	g.add("new.deb", deb)
	g.must("dpkg -i --force-depends /mnt/new.deb\nreconciler ban -- 203.0.113.7")
	return g
}

func TestADebGoesWithoutTheLogsDirectoryAndComesBack(t *testing.T) {
	g := installed(t)
	out := g.must(`
reconciler apply >/dev/null
rm -rf /var/lib/reconciler
dpkg -r reconciler
iptables -S
ipset list -n
dpkg -i --force-depends /mnt/new.deb
reconciler ban -- 203.0.113.7
reconciler apply >/dev/null
ipset test f2b-reconciler-v4 203.0.113.7`)
	if leftAfterRemoval(out) != "" {
		t.Errorf("the removal left something in the firewall:\n%s", out)
	}
	if !strings.Contains(out, "203.0.113.7 is in set") {
		t.Errorf("a package that is put back enforces nothing:\n%s", out)
	}
}

func TestADebThatGoesTakesAllDownAlthoughTheSettingsAreBroken(t *testing.T) {
	g := installed(t)
	out := g.must(`
echo 'nonsense: 1' >/etc/reconciler/config.yaml
dpkg -r reconciler
iptables -S
ipset list -n
rm /etc/reconciler/config.yaml
dpkg -i --force-depends /mnt/new.deb`)
	if leftAfterRemoval(out) != "" || !strings.Contains(out, "the settings cannot be used") {
		t.Errorf("the removal left something in the firewall, or did not say why it took the defaults:\n%s", out)
	}
}

func TestADebThatCannotTakeAllDownSaysWhatToPasteAndThatDoesIt(t *testing.T) {
	g := installed(t)
	out := g.must(`
reconciler apply >/dev/null
mv /usr/bin/timeout /usr/bin/timeout.away
dpkg -r reconciler 2>&1 | tee /root/said
mv /usr/bin/timeout.away /usr/bin/timeout
grep -E '^  (for|ipset)' /root/said >/root/paste
sh -eux /root/paste
iptables -S
ipset list -n
dpkg -i --force-depends /mnt/new.deb`)
	if leftAfterRemoval(out) != "" || !strings.Contains(out, "not everything was removed") {
		t.Errorf("what the removal said to paste left something in the firewall:\n%s", out)
	}
}

func TestAPackageThatGoesNamesTheFilesOfFail2banThatNeedIt(t *testing.T) {
	g := installed(t)
	out := g.must(`
mkdir -p /etc/fail2ban/jail.d
printf '# with reconciler\n[sshd]\naction = %%(action_)s\n         reconciler[defer=60]\n' >/etc/fail2ban/jail.local
printf '[nginx]\nbanaction = reconciler\n' >/etc/fail2ban/jail.d/web.conf
dpkg -r reconciler
rm -r /etc/fail2ban/jail.local /etc/fail2ban/jail.d/web.conf
dpkg -i --force-depends /mnt/new.deb
echo AGAIN
dpkg -r reconciler`)
	first, again, _ := strings.Cut(out, "AGAIN\n")
	for _, want := range []string{
		"/etc/fail2ban/jail.local:4:         reconciler[defer=60]\n", "/etc/fail2ban/jail.d/web.conf:2:banaction = reconciler\n",
		"give these jails another action", "fail2ban-client reload --restart",
	} {
		if !strings.Contains(first, want) {
			t.Errorf("a removal does not say %q:\n%s", want, first)
		}
	}
	if strings.Contains(first, "jail.local:1") || strings.Contains(again, "another action") {
		t.Errorf("a removal names what does not need the program:\n%s", out)
	}
}

func TestAnRpmLeavesNothingButTheLog(t *testing.T) {
	testenv.NeedProgram(t, "rpm")
	g := newGuest(t)
	_, rpm := built(t)
	g.add("new.rpm", rpm)
	out := g.must(`
rpm -i --nodeps --nosignature --force-debian /mnt/new.rpm
reconciler ban -- 203.0.113.7
reconciler apply >/dev/null
rm -rf /var/lib/reconciler
rpm -e --force-debian reconciler
iptables -S
ipset list -n
ls -d /etc/reconciler /usr/share/doc/reconciler /usr/bin/reconciler 2>/dev/null || true`)
	if leftAfterRemoval(out) != "" || strings.Contains(out, "\n/") {
		t.Errorf("the removal left:\n%s", out)
	}
}
