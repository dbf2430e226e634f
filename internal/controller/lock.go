package controller

import (
	"errors"
	"fmt"
	"net"
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
	return LockTelling(chain, log, nil)
}

// LockTelling is Lock for a daemon: whoever connects to the lock gets its word.
func LockTelling(chain string, log hclog.Logger, word func() Word) (release func() error, err error) {
	name := "@reconciler/" + chain
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: name, Net: "unix"})
	held := errors.Is(err, unix.EADDRINUSE)
	if err != nil && !held {
		return nil, fmt.Errorf("taking the lock %s: %w", name, err)
	}
	who, uid := "a process", int64(-1)
	if held {
		k, _ := ask(name)
		if who, uid = k.String(), k.UID; honest(uid) {
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
	go greet(listener, word)
	return func() error { return errors.Join(listener.Close(), closeIf(file)) }, nil
}

// greet takes every connection, gives its word if it has one, and ends it. Those
// who ask for the holder know it by then; left alone they would fill the queue,
// and later ones would find nobody.
func greet(listener net.Listener, word func() Word) {
	for {
		conn, err := listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			time.Sleep(time.Second) // out of descriptors, say
			continue
		}
		if word != nil {
			word().give(conn)
		}
		_ = conn.Close() // what it could not take was not worth waiting for
	}
}
