package desired

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"reconciler/internal/testenv"
)

const insideEnv = "DESIRED_TEST_INSIDE"

// inNamespace runs the calling test again in a mount namespace of its own, in
// which it may mount file systems. It says whether this is that second run.
func inNamespace(t *testing.T) bool {
	t.Helper()
	if os.Getenv(insideEnv) == t.Name() {
		return true
	}
	cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Env = append(os.Environ(), insideEnv+"="+t.Name())
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
	if os.Geteuid() != 0 {
		cmd.SysProcAttr.Cloneflags = syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}}
	}
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		testenv.LeaveOut(t, "there is no mount namespace for a full disk: %v", err)
	}
	if err != nil || !strings.Contains(string(out), "--- PASS: "+t.Name()) {
		t.Errorf("inside the namespace: %v\n%s", err, out)
	}
	return false
}

// mountSmall gives a log on a file system of 64 KiB.
func mountSmall(t *testing.T) (*bench, string) {
	t.Helper()
	b := newBench(t)
	disk := filepath.Join(filepath.Dir(b.path), "disk")
	if err := errors.Join(os.Mkdir(disk, 0o750), unix.Mount("small", disk, "tmpfs", 0, "size=64k,mode=750")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Unmount(disk, unix.MNT_DETACH) })
	b.path = filepath.Join(disk, "bans.jsonl")
	b.file = b.open(true)
	b.load(true)
	return b, disk
}

func TestAFullDiskSendsRecordsToTheSpool(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	b, disk := mountSmall(t)
	ballast := filepath.Join(disk, "ballast")
	b.append(banOf("192.0.2.1"))
	if err := os.WriteFile(ballast, make([]byte, 1<<20), 0o600); !errors.Is(err, unix.ENOSPC) {
		t.Fatalf("the disk is not full: %v", err)
	}
	var want []string
	spooled := 0
	for i := range 200 { // the first ones fit into the log's last page
		ip := fmt.Sprintf("198.51.100.%d", i)
		if s := b.append(banOf(ip)); s != nil {
			spooled++
			if s.Path != b.file.spoolPath() || !errors.Is(s.Cause, unix.ENOSPC) && !strings.Contains(s.String(), "short write") {
				t.Fatalf("the warning is %v", s)
			}
		}
		want = append(want, ip)
	}
	if spooled == 0 || spooled == 200 {
		t.Errorf("%d of 200 records were spooled", spooled)
	}
	check := func(when string) {
		t.Helper()
		got := strings.Fields(bansOf(b.file, b.now))
		if len(got) != len(want)+1 {
			t.Errorf("%s %d bans are known, want %d", when, len(got), len(want)+1)
		}
	}
	b.refresh()
	check("while the disk is full")
	if err := b.file.SaveSnapshot(Memory{}, b.now); !errors.Is(err, unix.ENOSPC) {
		t.Errorf("saving on a full disk gives %v", err)
	}
	if _, err := b.file.DrainSpool(context.Background()); !errors.Is(err, unix.ENOSPC) {
		t.Errorf("draining to a full disk gives %v", err)
	}
	if err := errors.Join(os.Remove(ballast), unix.Mount("", disk, "", unix.MS_REMOUNT, "size=1m")); err != nil {
		t.Fatal(err)
	}
	if n, err := b.file.DrainSpool(context.Background()); n == 0 || err != nil {
		t.Fatalf("draining gives %d, %v", n, err)
	}
	b.refresh()
	check("after the drain")
	if err := b.restart(); err != nil {
		t.Fatal(err)
	}
	check("after a restart")
}

func TestAReadOnlyDiskSendsRecordsToTheSpool(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	b, disk := mountSmall(t)
	b.append(banOf("192.0.2.1"))
	if err := b.file.Close(); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("", disk, "", unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	if s := b.append(banOf("192.0.2.2")); s == nil || !errors.Is(s.Cause, unix.EROFS) {
		t.Errorf("the warning is %v", s)
	}
	if err := b.file.Load(context.Background(), b.now, false); err != nil {
		t.Fatal(err)
	}
	b.want("192.0.2.1 192.0.2.2")
}
