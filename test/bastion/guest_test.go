//go:build e2e

package bastion

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"reconciler/internal/testenv"

	"golang.org/x/sys/unix"
)

// patience bounds every wait for something that must come; it is no measure of
// how fast it should.
const patience = 5 * time.Minute

// guest is the bastion: a container with its own systemd.
type guest struct {
	t       *testing.T
	root    string                   // its files, as they are seen from outside
	nspawn  atomic.Pointer[exec.Cmd] // the container as it runs now
	ended   chan struct{}
	console testenv.Buffer
}

// stateDir is a disk of its own for the log, so that it can be full.
const stateDir = "/var/lib/reconciler"

// newGuest lays a fresh layer of files over the root that is never changed. It
// lies below /run, which is this process's own and goes with it.
func newGuest(t *testing.T) *guest {
	t.Helper()
	g := &guest{t: t, root: "/run/bastion/root", ended: make(chan struct{})}
	for _, dir := range []string{"up", "work", "root", "disk"} {
		if err := os.MkdirAll("/run/bastion/"+dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	layers := "lowerdir=" + os.Getenv(envRoot) + ",upperdir=/run/bastion/up,workdir=/run/bastion/work"
	if err := unix.Mount("overlay", g.root, "overlay", 0, layers); err != nil {
		t.Fatalf("laying the bastion's files over %s: %v", os.Getenv(envRoot), err)
	}
	g.mountDisk()
	if err := os.Remove(filepath.Join(g.root, leanFile)); err != nil { // the bastion's dpkg leaves nothing out
		t.Fatal(err)
	}
	for _, name := range []string{"old.deb", "new.deb", "old.rpm", "new.rpm"} {
		data, err := os.ReadFile(filepath.Join(os.Getenv(envPackages), name))
		if err != nil {
			t.Fatal(err)
		}
		g.write("/root/"+name, string(data))
	}
	return g
}

// diskSize is that of the log's disk, in bytes.
const diskSize = 128 << 20

// mountDisk makes the log's disk: ext4, or memory where there is no loop device.
func (g *guest) mountDisk() {
	g.t.Helper()
	const image = "/run/bastion/disk.ext4"
	err := os.WriteFile(image, nil, 0o600)
	if err == nil {
		err = os.Truncate(image, diskSize)
	}
	if err != nil {
		g.t.Fatal(err)
	}
	out, err := exec.Command("sh", "-euc", `mkfs.ext4 -q -m 0 "$1" && mount -o loop "$1" /run/bastion/disk && rmdir /run/bastion/disk/lost+found`, "sh", image).CombinedOutput()
	if err == nil {
		g.t.Cleanup(func() { _ = unix.Unmount("/run/bastion/disk", unix.MNT_DETACH) }) // frees the loop device
		return
	}
	g.t.Logf("the log's disk is memory, since ext4 cannot be mounted: %v: %s", err, out)
	if err := unix.Mount("tmpfs", "/run/bastion/disk", "tmpfs", 0, fmt.Sprintf("size=%d", diskSize)); err != nil {
		g.t.Fatal(err)
	}
}

// write makes a file of the bastion from outside, before it boots or after.
func (g *guest) write(path, text string) {
	g.t.Helper()
	path = filepath.Join(g.root, path)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		g.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		g.t.Fatal(err)
	}
}

// link makes a symbolic link inside.
func (g *guest) link(to, path string) {
	g.t.Helper()
	path = filepath.Join(g.root, path)
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.Symlink(to, path)); err != nil {
		g.t.Fatal(err)
	}
}

// rebooted is the status with which systemd-nspawn asks to be started again.
const rebooted = 133

// boot starts the machine, and starts it again whenever it reboots.
func (g *guest) boot() {
	g.t.Helper()
	args := []string{
		"--boot", "--directory=" + g.root, "--machine=bastion", "--register=no", "--link-journal=no",
		"--console=pipe", "--network-bridge=" + bridge, "--capability=CAP_NET_ADMIN",
		"--bind=/run/bastion/disk:" + stateDir,
	}
	if _, err := os.Stat("/run/systemd/system"); err != nil {
		args = append(args, "--keep-unit") // no systemd outside that could make a unit for it
	}
	started := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // the death signal comes when the thread ends
		defer close(g.ended)
		for again := true; again; {
			cmd := exec.Command("systemd-nspawn", args...)
			cmd.Stdout, cmd.Stderr = &g.console, &g.console
			// It shuts the machine down then; killed, it would leave it running.
			cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
			err := cmd.Start()
			g.nspawn.Store(cmd)
			select {
			case started <- err:
			default: // nobody waits for a reboot here
			}
			if err != nil {
				return
			}
			_ = cmd.Wait() // the status says all, and a test fails for the lack of the machine
			again = cmd.ProcessState.ExitCode() == rebooted
		}
	}()
	if err := <-started; err != nil {
		g.t.Fatalf("starting systemd-nspawn: %v", err)
	}
	g.t.Cleanup(g.powerOff)
	g.waitUntilUp()
}

// powerOff ends the machine in an orderly way, and by force when it takes long.
func (g *guest) powerOff() {
	if _, err := g.do("systemctl --no-block poweroff"); err == nil {
		select {
		case <-g.ended:
			return
		case <-time.After(20 * time.Second):
		}
	}
	if pid := g.leader(); pid > 0 {
		_ = syscall.Kill(pid, syscall.SIGKILL) // all processes of the machine go with its first
	}
	_ = g.nspawn.Load().Process.Kill() // it may have gone
	<-g.ended
}

// waitUntilUp waits until systemd has started everything.
func (g *guest) waitUntilUp() {
	g.t.Helper()
	eventually(g.t, "the bastion has booted", func() error {
		out, err := g.do("systemctl is-system-running || true")
		if state := strings.TrimSpace(out); err != nil || state != "running" && state != "degraded" {
			return fmt.Errorf("it is %q (%w)\n%s", state, err, tail(g.console.String()))
		}
		return nil
	})
}

// leader gives the process, as numbered outside, that is the first one inside;
// 0 while there is none. It changes with every boot.
func (g *guest) leader() int {
	cmd := g.nspawn.Load()
	if cmd == nil || cmd.Process == nil {
		return 0
	}
	lists, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", cmd.Process.Pid)) // the pattern is a valid one
	for _, list := range lists {
		text, _ := os.ReadFile(list) // gone: no children
		for _, child := range strings.Fields(string(text)) {
			status, err := os.ReadFile("/proc/" + child + "/status")
			if err != nil {
				continue
			}
			_, line, _ := strings.Cut(string(status), "\nNSpid:")
			line, _, _ = strings.Cut(line, "\n")
			if f := strings.Fields(line); len(f) > 1 && f[len(f)-1] == "1" {
				n, _ := strconv.Atoi(child) // a name in /proc
				return n
			}
		}
	}
	return 0
}

// errDown means that the machine is between two boots.
var errDown = errors.New("the bastion is down")

// enter gives a command that runs inside, in the namespaces that flags name.
func (g *guest) enter(ctx context.Context, flags []string, program ...string) (*exec.Cmd, error) {
	leader := g.leader()
	if leader == 0 {
		return nil, errDown
	}
	args := append([]string{"--target", strconv.Itoa(leader)}, flags...)
	return exec.CommandContext(ctx, "nsenter", append(append(args, "--"), program...)...), nil
}

// do runs a script inside as root and gives all that it wrote.
func (g *guest) do(script string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	cmd, err := g.enter(ctx, []string{"--mount", "--uts", "--ipc", "--net", "--pid"},
		"/usr/bin/env", "-i", "HOME=/root", "LANG=C.UTF-8", "DEBIAN_FRONTEND=noninteractive",
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "sh", "-euc", "cd /root\n"+script)
	if err != nil {
		return "", err
	}
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// must is do, and the test ends when it fails.
func (g *guest) must(t *testing.T, script string) string {
	t.Helper()
	out, err := g.do(script)
	if err != nil {
		t.Fatalf("%v:\n%s\nwith:\n%s", err, out, script)
	}
	return out
}

// eventually waits for something that must come, and says why it has not.
func eventually(t *testing.T, what string, try func() error) {
	t.Helper()
	var err error
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		if err = try(); err == nil {
			return
		}
	}
	t.Fatalf("waited in vain until %s: %v", what, err)
}

// tail gives the last of a text.
func tail(text string) string { return text[max(0, len(text)-2000):] }
