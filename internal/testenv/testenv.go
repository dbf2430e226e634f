// Package testenv runs a package's tests inside a network namespace of their
// own, so that none of them can touch the firewall of the machine.
//
//	func TestMain(m *testing.M) { testenv.Main(m) }
//
// A test that needs the namespace begins with testenv.Need. Where it cannot be
// had, that test is left out with a word why; with CI=true in the environment
// it is a failure instead.
package testenv

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"reconciler/internal/tool"
)

// marker is set in the process that runs inside the namespace: the inode of
// the namespace outside, so that a marker that was merely inherited is seen.
const marker = "TESTENV_OUTER_NETNS"

// Main runs the tests again in a process inside a fresh network namespace and
// exits with its status. Where no namespace can be made it runs them here,
// where Need then refuses; with CI=true it exits 1 instead.
func Main(m *testing.M) {
	if os.Getenv(marker) != "" {
		if err := prepare(); err != nil {
			fmt.Fprintln(os.Stderr, "testenv: preparing the namespace:", err)
			os.Exit(1)
		}
		os.Exit(m.Run())
	}
	code, err := rerun()
	if err == nil {
		os.Exit(code)
	}
	if strict() {
		fmt.Fprintln(os.Stderr, "testenv: no network namespace for the firewall tests:", err)
		fmt.Fprintln(os.Stderr, "testenv: run as root, or allow unprivileged user namespaces (sysctl user.max_user_namespaces)")
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// rerun starts this binary in new namespaces. The mount namespace is there for
// /run, where iptables-legacy keeps its lock.
func rerun() (code int, err error) {
	if err := possible(); err != nil {
		return 0, err
	}
	self, err := os.Executable()
	if err != nil {
		return 0, fmt.Errorf("finding the test binary: %w", err)
	}
	outer, err := os.Readlink("/proc/self/ns/net")
	if err != nil {
		return 0, fmt.Errorf("reading the own network namespace: %w", err)
	}
	cmd := exec.Command(self, os.Args[1:]...) //nolint:gosec // this very test binary, with its own arguments
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Env = append(os.Environ(), marker+"="+outer)
	cmd.SysProcAttr = attributes()
	// The kernel sends the death signal when the thread ends, not the process.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := cmd.Start(); err != nil {
		return 0, fmt.Errorf("starting in a new namespace: %w", err)
	}
	_ = cmd.Wait() // the status below says all
	if code := cmd.ProcessState.ExitCode(); code >= 0 {
		return code, nil
	}
	return 1, nil // killed by a signal; the test binary said why
}

// possible tries a process that does nothing, so that a refusal is told from
// tests that fail.
func possible() error {
	program, err := tool.Find("true")
	if err != nil {
		return err
	}
	cmd := exec.Command(program)
	cmd.SysProcAttr = attributes()
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("making a network namespace: %w", err)
	}
	return nil
}

func attributes() *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{
		Cloneflags: unix.CLONE_NEWNET | unix.CLONE_NEWNS,
		Pdeathsig:  syscall.SIGKILL,
	}
	if os.Geteuid() != 0 {
		attr.Cloneflags |= unix.CLONE_NEWUSER
		attr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}}
		attr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}}
	}
	return attr
}

// prepare is the first thing inside: a private /run, and the loopback.
func prepare() error {
	if !inside() {
		return fmt.Errorf("%s is set, but this is not a namespace of our own; unset it", marker)
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("making the mounts private: %w", err)
	}
	if err := unix.Mount("tmpfs", "/run", "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=755"); err != nil {
		return fmt.Errorf("mounting a private /run: %w", err)
	}
	return loopbackUp()
}

// inside says that this process is in a network namespace that Main made.
func inside() bool {
	outer := os.Getenv(marker)
	here, err := os.Readlink("/proc/self/ns/net")
	return err == nil && strings.HasPrefix(outer, "net:[") && here != outer
}

// loopbackUp does what `ip link set lo up` does.
func loopbackUp() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("opening a socket: %w", err)
	}
	defer func() { _ = unix.Close(fd) }()
	request, err := unix.NewIfreq("lo")
	if err != nil {
		return fmt.Errorf("naming the loopback: %w", err)
	}
	if err := unix.IoctlIfreq(fd, unix.SIOCGIFFLAGS, request); err != nil {
		return fmt.Errorf("reading the loopback's flags: %w", err)
	}
	request.SetUint16(request.Uint16() | unix.IFF_UP)
	if err := unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, request); err != nil {
		return fmt.Errorf("bringing the loopback up: %w", err)
	}
	return nil
}
