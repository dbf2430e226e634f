package controller

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/hashicorp/go-hclog"
	"golang.org/x/sys/unix"

	"reconciler/internal/testenv"
)

// strangerEnv makes the test's program a stranger; see TestMain.
const strangerEnv = "LOCK_TEST_SOCKET"

// beStranger is the process that another user holds the socket with. It returns
// when the test is over.
func beStranger(name string) error {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	if err := unix.Bind(fd, &unix.SockaddrUnix{Name: name}); err != nil {
		return err
	}
	if os.Getenv(strangerEnv+"_LISTENS") == "true" {
		if err := unix.Listen(fd, 0); err != nil {
			return err
		}
	}
	fmt.Println("bound")
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

// stranger holds the socket of a chain as a user of no rights.
func stranger(t *testing.T, chain string, listens bool) {
	t.Helper()
	testenv.NeedRoot(t)
	// The test's program lies where only root can reach it.
	const program = "/proc/self/fd/3"
	self, err := os.Open("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = self.Close() }()
	cmd := exec.Command(program)
	cmd.Dir, cmd.ExtraFiles = "/", []*os.File{self}
	cmd.Env = []string{strangerEnv + "=@reconciler/" + chain, fmt.Sprintf("%s_LISTENS=%t", strangerEnv, listens)}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = in.Close(); _ = cmd.Wait() })
	if _, err := io.ReadFull(out, make([]byte, len("bound"))); err != nil {
		t.Fatalf("the stranger did not take the socket: %v", err)
	}
}

func ownLockDir(t *testing.T) (chain string) {
	t.Helper()
	old := lockDir
	t.Cleanup(func() { lockDir = old })
	lockDir = filepath.Join(t.TempDir(), "run")
	return fmt.Sprintf("lock-test-%d", os.Getpid())
}

// A user of no rights who holds the socket keeps nobody out, and two honest
// ones still keep each other out.
func TestAStrangerWhoHoldsTheSocketKeepsNobodyFromTheChain(t *testing.T) {
	for _, listens := range []bool{true, false} {
		t.Run(fmt.Sprintf("listens=%t", listens), func(t *testing.T) {
			chain := ownLockDir(t)
			stranger(t, chain, listens)
			var said bytes.Buffer
			release, err := Lock(chain, hclog.New(&hclog.LoggerOptions{Output: &said}))
			if err != nil {
				t.Fatalf("a stranger keeps the firewall down: %v", err)
			}
			if !strings.Contains(said.String(), "held by a user who has no part in it") {
				t.Errorf("the operator is not told of the stranger: %q", said.String())
			}
			if _, err := Lock(chain, silent); !errors.Is(err, ErrHeld) {
				t.Errorf("a second honest one gets %v, want ErrHeld", err)
			}
			if err := release(); err != nil {
				t.Fatal(err)
			}
			if release, err = Lock(chain, silent); err != nil {
				t.Fatalf("the lock was given back, and then: %v", err)
			}
			_ = release()
		})
	}
}

// The one who came while a stranger held the socket is still met when it is free.
func TestTheLockFileIsTakenWithTheSocketToo(t *testing.T) {
	chain := ownLockDir(t)
	file, err := lockFile(chain)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Lock(chain, silent); !errors.Is(err, ErrHeld) {
		t.Errorf("the file is held, and Lock gives %v, want ErrHeld", err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	release, err := Lock(chain, silent)
	if err != nil {
		t.Fatal(err)
	}
	if err := release(); err != nil {
		t.Error(err)
	}
}

// However many namespaces and chains come and go, one file is left, and they do
// not meet in it.
func TestNamespacesAndChainsLeaveOneLockFile(t *testing.T) {
	testenv.NeedRoot(t)
	chain := ownLockDir(t)
	hold := func(chain string) {
		t.Helper()
		file, err := lockFile(chain)
		if err != nil {
			t.Errorf("%s: %v", chain, err)
			return
		}
		t.Cleanup(func() { _ = file.Close() })
	}
	hold(chain)
	hold(chain + "-2")
	for range 3 {
		done := make(chan struct{})
		go func() { // its thread is of another network namespace, and ends with it
			defer close(done)
			runtime.LockOSThread()
			if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
				t.Errorf("unshare: %v", err)
				return
			}
			hold(chain)
			if _, err := lockFile(chain); !errors.Is(err, ErrHeld) {
				t.Errorf("a second one in the namespace gets %v, want ErrHeld", err)
			}
		}()
		<-done
	}
	entries, err := os.ReadDir(lockDir)
	if err != nil || len(entries) != 1 {
		t.Errorf("%d files are left (%v): %v", len(entries), err, entries)
	}
}

func TestALockFileOfStrangersIsNotTaken(t *testing.T) {
	for name, plant := range map[string]func(path string) error{
		"a link":                       func(p string) error { return os.Symlink("/dev/null", p) },
		"a pipe":                       func(p string) error { return unix.Mkfifo(p, 0o600) },
		"a file that others may open":  func(p string) error { return errors.Join(os.WriteFile(p, nil, 0o600), os.Chmod(p, 0o644)) },
		"a directory that others fill": func(p string) error { return os.Chmod(filepath.Dir(p), 0o777) },
		"another's directory":          func(p string) error { return os.Chown(filepath.Dir(p), 65534, 65534) },
		"another's file":               func(p string) error { return errors.Join(os.WriteFile(p, nil, 0o600), os.Chown(p, 65534, 65534)) },
	} {
		t.Run(name, func(t *testing.T) {
			testenv.NeedRoot(t)
			chain := ownLockDir(t)
			file, err := lockFile(chain)
			if err != nil {
				t.Fatal(err)
			}
			path := file.Name()
			if err := errors.Join(file.Close(), os.Remove(path), plant(path)); err != nil {
				t.Fatal(err)
			}
			if _, err := lockFile(chain); err == nil || errors.Is(err, ErrHeld) {
				t.Errorf("the lock file gives %v, want a refusal", err)
			}
		})
	}
}
