package testenv

import (
	"net"
	"net/netip"
	"os"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Crossing is this namespace as a router between a client and a server, each in
// a namespace of its own.
type Crossing struct {
	Client, Server netip.Addr
	Router         netip.Addr // this namespace, as the client sees it

	t testing.TB
}

// NewCrossing makes one. It is there until the test ends.
func NewCrossing(t testing.TB) *Crossing {
	t.Helper()
	Need(t, "ip")
	for i, name := range []string{"walk-client", "walk-server"} {
		net := []string{"10.98.1.", "10.98.2."}[i]
		Run(t, "", "ip", "netns", "add", name)
		t.Cleanup(func() { Run(t, "", "ip", "netns", "delete", name) })
		t.Cleanup(func() { Run(t, "", "ip", "link", "delete", "to-"+name[5:]) })
		Run(t, "", "ip", "link", "add", "to-"+name[5:], "type", "veth", "peer", "name", "eth0", "netns", name)
		Run(t, "", "ip", "address", "add", net+"1/24", "dev", "to-"+name[5:])
		Run(t, "", "ip", "link", "set", "to-"+name[5:], "up")
		for _, args := range [][]string{{"link", "set", "lo", "up"}, {"address", "add", net + "2/24", "dev", "eth0"}, {"link", "set", "eth0", "up"}, {"route", "add", "default", "via", net + "1"}} {
			Run(t, "", "ip", append([]string{"-n", name}, args...)...)
		}
	}
	if err := os.WriteFile("/proc/sys/net/ipv4/ip_forward", []byte("1"), 0o600); err != nil {
		LeaveOut(t, "forwarding cannot be switched on here: %v", err)
	}
	return &Crossing{
		Client: netip.MustParseAddr("10.98.1.2"), Server: netip.MustParseAddr("10.98.2.2"), Router: netip.MustParseAddr("10.98.1.1"), t: t,
	}
}

// Serve listens in the server's namespace until the test ends.
func (c *Crossing) Serve(at string) {
	c.t.Helper()
	c.in("walk-server", func() {
		listener, err := net.Listen("tcp", at) //nolint:noctx // it does not wait
		if err != nil {
			c.t.Errorf("listening on %s: %v", at, err)
			return
		}
		c.t.Cleanup(func() { _ = listener.Close() })
	})
}

// Knock tries a TCP connection from the client's namespace.
func (c *Crossing) Knock(to string, patience time.Duration) (err error) {
	c.t.Helper()
	c.in("walk-client", func() {
		fd, failed := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err = failed; err != nil {
			return
		}
		defer func() { _ = unix.Close(fd) }()
		wait := unix.NsecToTimeval(int64(patience))
		_ = unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &wait)
		at := netip.MustParseAddrPort(to)
		err = unix.Connect(fd, &unix.SockaddrInet4{Port: int(at.Port()), Addr: at.Addr().As4()})
	})
	return err
}

// in runs a function in a network namespace made by `ip netns`. The sockets that
// it opens stay there.
func (c *Crossing) in(name string, do func()) {
	c.t.Helper()
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with this function
		ns, err := os.Open("/run/netns/" + name)
		if err == nil {
			err = unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET)
			_ = ns.Close()
		}
		if err == nil {
			do()
		}
		done <- err
	}()
	if err := <-done; err != nil {
		c.t.Fatalf("entering the namespace %s: %v", name, err)
	}
}
