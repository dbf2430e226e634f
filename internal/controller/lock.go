package controller

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// ErrHeld means that another process keeps the same chain in this network namespace.
var ErrHeld = errors.New("another reconciler keeps this chain")

// Lock takes the one daemon's place for a chain in this network namespace: an
// abstract unix socket, which the kernel frees when the process dies, however
// it dies (unix(7)).
func Lock(chain string) (release func() error, err error) {
	name := "@reconciler/" + chain
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: name, Net: "unix"})
	if err == nil {
		return listener.Close, nil
	}
	if !errors.Is(err, unix.EADDRINUSE) {
		return nil, fmt.Errorf("taking the lock %s: %w", name, err)
	}
	return nil, fmt.Errorf("%w: %s holds %s; stop it first (systemctl stop reconciler), or give this one another --chain", ErrHeld, holder(name), name)
}

// holder names the process that listens on the socket.
func holder(name string) string {
	conn, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: name, Net: "unix"})
	if err != nil {
		return "a process"
	}
	defer conn.Close() //nolint:errcheck // nothing was sent
	raw, err := conn.SyscallConn()
	if err != nil {
		return "a process"
	}
	var peer *unix.Ucred
	var credErr error
	err = raw.Control(func(fd uintptr) { peer, credErr = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) })
	if err != nil || credErr != nil {
		return "a process"
	}
	program, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", peer.Pid))
	if err != nil {
		return fmt.Sprintf("process %d", peer.Pid)
	}
	return fmt.Sprintf("process %d (%s)", peer.Pid, filepath.Base(program))
}

// Holder names the process that keeps a chain in this network namespace, or
// gives "" when none does. It takes nothing and disturbs nobody.
func Holder(chain string) string {
	name := "@reconciler/" + chain
	conn, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: name, Net: "unix"})
	if err != nil {
		return ""
	}
	_ = conn.Close() // nothing was sent
	return holder(name)
}
