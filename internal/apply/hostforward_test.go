package apply_test

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"runtime"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"reconciler/internal/observed"
	"reconciler/internal/testenv"
)

// inNamespace runs a function in a network namespace made by `ip netns`. The
// sockets that it opens stay there.
func inNamespace(t *testing.T, name string, do func()) {
	t.Helper()
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
		t.Fatalf("entering the namespace %s: %v", name, err)
	}
}

// crossing is this namespace as a router between a client and a server, each
// in a namespace of its own.
func crossing(t *testing.T) (client, server netip.Addr) {
	t.Helper()
	testenv.Need(t, "ip")
	for i, name := range []string{"walk-client", "walk-server"} {
		net := []string{"10.98.1.", "10.98.2."}[i]
		testenv.Run(t, "", "ip", "netns", "add", name)
		t.Cleanup(func() { testenv.Run(t, "", "ip", "netns", "delete", name) })
		t.Cleanup(func() { testenv.Run(t, "", "ip", "link", "delete", "to-"+name[5:]) })
		testenv.Run(t, "", "ip", "link", "add", "to-"+name[5:], "type", "veth", "peer", "name", "eth0", "netns", name)
		testenv.Run(t, "", "ip", "address", "add", net+"1/24", "dev", "to-"+name[5:])
		testenv.Run(t, "", "ip", "link", "set", "to-"+name[5:], "up")
		for _, args := range [][]string{{"link", "set", "lo", "up"}, {"address", "add", net + "2/24", "dev", "eth0"}, {"link", "set", "eth0", "up"}, {"route", "add", "default", "via", net + "1"}} {
			testenv.Run(t, "", "ip", append([]string{"-n", name}, args...)...)
		}
	}
	if err := os.WriteFile("/proc/sys/net/ipv4/ip_forward", []byte("1"), 0o600); err != nil {
		testenv.LeaveOut(t, "forwarding cannot be switched on here: %v", err)
	}
	return netip.MustParseAddr("10.98.1.2"), netip.MustParseAddr("10.98.2.2")
}

// knock tries a TCP connection from the client's namespace.
func knock(t *testing.T, to string) (err error) {
	t.Helper()
	inNamespace(t, "walk-client", func() {
		fd, failed := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err = failed; err != nil {
			return
		}
		defer func() { _ = unix.Close(fd) }()
		wait := unix.NsecToTimeval(int64(10 * time.Second))
		_ = unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &wait)
		at := netip.MustParseAddrPort(to)
		err = unix.Connect(fd, &unix.SockaddrInet4{Port: int(at.Port()), Addr: at.Addr().As4()})
	})
	return err
}

// serveAt listens in the server's namespace until the test ends.
func serveAt(t *testing.T, at string) {
	t.Helper()
	inNamespace(t, "walk-server", func() {
		listener, err := net.Listen("tcp", at)
		if err != nil {
			t.Errorf("listening on %s: %v", at, err)
			return
		}
		t.Cleanup(func() { _ = listener.Close() })
	})
}

// A ban of a port means the port that a client asks for, which a DNAT has
// rewritten by the time that a forwarded packet meets our rule.
func TestABanOfAPortFollowsTheClientsPortThroughADNAT(t *testing.T) {
	for _, variant := range []string{"nft", "legacy"} {
		for _, backend := range []string{observed.BackendIPSet, observed.BackendIPTables} {
			for _, hooks := range [][]string{{"FORWARD"}, {"INPUT", "DOCKER-USER"}} {
				t.Run(variant+"/"+backend+"/"+hooks[0], func(t *testing.T) {
					m := kernelMachine(t, variant)
					client, server := crossing(t)
					serveAt(t, "10.98.2.2:8443")
					serveAt(t, "10.98.2.2:443")
					nat := "*nat\n-A PREROUTING -d 10.98.1.1/32 -p tcp --dport 443 -j DNAT --to-destination " + server.String() + ":8443\n" +
						"-A PREROUTING -d 10.98.1.1/32 -p tcp --dport 9443 -j DNAT --to-destination " + server.String() + ":443\nCOMMIT\n"
					m.somebody(nat, "iptables-"+variant+"-restore", "--noflush", "-w", "5")
					t.Cleanup(func() { testenv.Run(t, "", "iptables-"+variant, "-t", "nat", "-F") })
					m.tables(":DOCKER-USER - [0:0]", "-A FORWARD -j DOCKER-USER")
					if err := knock(t, "10.98.1.1:443"); err != nil {
						t.Fatalf("before any ban the client cannot connect: %v", err)
					}
					s := observed.HostSpec{Backend: backend, Hooks: hooks, Shape: observed.Shape{Protocol: observed.ProtocolTCP, Ports: observed.Ports{From: 443, To: 443}}}
					do(t, m.host(s), repair, add(client.String()+"/32", time.Time{}))
					wantSound(t, m, s)
					wantEntries(t, m, s, client.String()+"/32")
					for to, blocked := range map[string]bool{"10.98.1.1:443": true, "10.98.2.2:443": true, "10.98.1.1:9443": false, "10.98.2.2:8443": false} {
						if err := knock(t, to); errors.Is(err, syscall.ECONNREFUSED) != blocked || err != nil && !blocked {
							t.Errorf("port 443 is banned, and %s met the client with %v", to, err)
						}
					}
				})
			}
		}
	}
}
