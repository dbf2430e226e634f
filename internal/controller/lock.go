package controller

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/hashicorp/go-hclog"
	"golang.org/x/sys/unix"
)

// ErrHeld means that another process keeps the same chain in this network namespace.
var ErrHeld = errors.New("another reconciler keeps this chain")

// Lock takes the one daemon's place for a chain in this network namespace: an
// abstract unix socket, which the kernel frees when the process dies, however
// it dies (unix(7)). Any user may bind such a name, so one that a stranger holds
// is not obeyed: the lock file beside it then decides alone, and log is told.
func Lock(chain string, log hclog.Logger) (release func() error, err error) {
	name := "@reconciler/" + chain
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: name, Net: "unix"})
	held := errors.Is(err, unix.EADDRINUSE)
	if err != nil && !held {
		return nil, fmt.Errorf("taking the lock %s: %w", name, err)
	}
	who, uid := "a process", int64(-1)
	if held {
		if who, uid = holder(name); honest(uid) {
			return nil, fmt.Errorf("%w: %s holds %s; stop it first (systemctl stop reconciler), or give this one another --chain", ErrHeld, who, name)
		}
	}
	file, err := lockFile(chain)
	switch {
	case errors.Is(err, ErrHeld) || err != nil && held:
		if listener != nil {
			_ = listener.Close() // the place is another's
		}
		return nil, err
	case held:
		log.Warn("the lock's socket is held by a user who has no part in it; going on with the lock file. End that process.", "socket", name, "holder", who, "uid", uid)
		return file.Close, nil
	}
	go greet(listener)
	return func() error { return errors.Join(listener.Close(), closeIf(file)) }, nil
}

// greet takes every connection and ends it. Those who ask for the holder know it
// by then; left alone they would fill the queue, and later ones would find nobody.
func greet(listener net.Listener) {
	for {
		conn, err := listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			time.Sleep(time.Second) // out of descriptors, say
			continue
		}
		_ = conn.Close() // nothing is said
	}
}

// holder names the process that listens on the socket, and its user: -1 when the
// kernel does not tell.
func holder(name string) (who string, uid int64) {
	const nobody = "a process"
	conn, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: name, Net: "unix"})
	if err != nil {
		return nobody, -1
	}
	defer conn.Close() //nolint:errcheck // nothing was sent
	raw, err := conn.SyscallConn()
	if err != nil {
		return nobody, -1
	}
	var peer *unix.Ucred
	var credErr error
	err = raw.Control(func(fd uintptr) { peer, credErr = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) })
	if err != nil || credErr != nil {
		return nobody, -1
	}
	program, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", peer.Pid))
	if err != nil {
		return fmt.Sprintf("process %d", peer.Pid), int64(peer.Uid)
	}
	return fmt.Sprintf("process %d (%s)", peer.Pid, filepath.Base(program)), int64(peer.Uid)
}

// Holder names the process that keeps a chain in this network namespace, or
// gives "" when none does. It takes nothing and disturbs nobody.
func Holder(chain string) string {
	name := "@reconciler/" + chain
	conn, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: name, Net: "unix"})
	if errors.Is(err, unix.ECONNREFUSED) {
		return ""
	}
	if err != nil { // it is there, and busy
		return "a process"
	}
	_ = conn.Close() // nothing was sent
	who, _ := holder(name)
	return who
}
