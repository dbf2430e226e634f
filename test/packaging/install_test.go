//go:build e2e

package packaging

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"reconciler/internal/testenv"
)

// guest is a copy of this machine's files in which packages can be installed:
// an overlay, gone when the test ends, with namespaces of its own.
type guest struct {
	t    *testing.T
	dir  string
	pkgs string
}

func newGuest(t *testing.T) *guest {
	t.Helper()
	for _, program := range []string{"dpkg", "unshare", "ipset", "iptables"} {
		testenv.NeedProgram(t, program)
	}
	testenv.NeedRoot(t)
	return &guest{t: t, dir: t.TempDir(), pkgs: t.TempDir()}
}

// enter mounts the overlay and runs the script inside. What a script leaves in
// the files is there for the next.
const enter = `
set -eu
mount -t tmpfs tmpfs /mnt
mkdir -p /mnt/low /mnt/root
mount --bind / /mnt/low
mount -t overlay overlay -o "lowerdir=/mnt/low,upperdir=$1/up,workdir=$1/work" /mnt/root
mount --bind "$2" /mnt/root/mnt
mount -t proc proc /mnt/root/proc
mount -t tmpfs tmpfs /mnt/root/run
mount --rbind /dev /mnt/root/dev
ip link set lo up
exec chroot /mnt/root sh -euc "$3"
`

// do runs a script in the guest. Packages lie in /mnt.
func (g *guest) do(script string) (string, error) {
	g.t.Helper()
	for _, d := range []string{"up", "work"} {
		if err := os.MkdirAll(filepath.Join(g.dir, d), 0o755); err != nil {
			g.t.Fatal(err)
		}
	}
	const settings = "export RECONCILER_NACL=none DEBIAN_FRONTEND=noninteractive PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n"
	out, err := exec.Command("unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "sh", "-c", enter, "sh", g.dir, g.pkgs, settings+script).CombinedOutput()
	return string(out), err
}

func (g *guest) must(script string) string {
	g.t.Helper()
	out, err := g.do(script)
	if err != nil {
		g.t.Fatalf("%v:\n%s\nwith:\n%s", err, out, script)
	}
	return out
}

func (g *guest) add(name, path string) {
	g.t.Helper()
	if err := os.WriteFile(filepath.Join(g.pkgs, name), read(g.t, path), 0o644); err != nil {
		g.t.Fatal(err)
	}
}

func TestADebComesIsUpgradedAndGoes(t *testing.T) {
	g := newGuest(t)
	old, _ := built(t)
	upgrade, _ := build(t, tree, "1.1.0")
	g.add("old.deb", old)
	g.add("new.deb", upgrade)

	t.Run("an installation makes user, directories and a program that bans", func(t *testing.T) {
		out := g.must(`
dpkg -i --force-depends /mnt/old.deb
stat -c '%U:%G %a %n' /var/lib/reconciler /run/reconciler
reconciler ban -- 203.0.113.7
reconciler apply
stat -c '%U:%G %a %n' /var/lib/reconciler/bans.jsonl
iptables -S INPUT`)
		for _, want := range []string{
			"reconciler:reconciler 750 /var/lib/reconciler\n", "reconciler:reconciler 750 /run/reconciler\n",
			"reconciler:reconciler 640 /var/lib/reconciler/bans.jsonl\n", "-A INPUT -j f2b-reconciler",
		} {
			if !strings.Contains(out, want) {
				t.Errorf("after the installation %q is not so:\n%s", want, out)
			}
		}
	})
	t.Run("an upgrade lifts nothing and keeps settings", func(t *testing.T) {
		out := g.must(`
echo 'ignore: [192.0.2.1]' >/etc/reconciler/config.yaml
reconciler apply >/dev/null
dpkg -i --force-depends /mnt/new.deb
reconciler version
ipset test f2b-reconciler-v4 203.0.113.7
cat /etc/reconciler/config.yaml
reconciler status`)
		for _, want := range []string{"reconciler 1.1.0", "203.0.113.7 is in set", "ignore: [192.0.2.1]", "203.0.113.7/32"} {
			if !strings.Contains(out, want) {
				t.Errorf("after the upgrade %q is not so:\n%s", want, out)
			}
		}
	})
	t.Run("a removal takes all down and keeps the log; an installation goes on with it", func(t *testing.T) {
		out := g.must(`
reconciler apply >/dev/null
dpkg -r reconciler
iptables -S
ipset list -n
test -s /var/lib/reconciler/bans.jsonl
dpkg -i --force-depends /mnt/new.deb
reconciler apply >/dev/null
ipset test f2b-reconciler-v4 203.0.113.7`)
		if leftAfterRemoval(out) != "" {
			t.Errorf("the removal left something in the firewall:\n%s", out)
		}
		if !strings.Contains(out, "203.0.113.7 is in set") {
			t.Errorf("a package that is put back does not enforce the bans of before:\n%s", out)
		}
	})
	t.Run("a purge leaves nothing", func(t *testing.T) {
		out := g.must(`
dpkg -P reconciler
ls -d /var/lib/reconciler /etc/reconciler /usr/bin/reconciler /etc/fail2ban/action.d/reconciler.conf 2>/dev/null || true`)
		if strings.Contains(out, "\n/") {
			t.Errorf("the purge left:\n%s", out)
		}
	})
}
