package apply_test

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"reconciler/internal/observed"
	"reconciler/internal/testenv"
)

// Addresses that the loopback of the namespace gets, so that one process can
// be the server, a banned client and an innocent one.
var packetAddrs = map[observed.Family][3]string{
	observed.IPv4: {"10.99.0.1/32", "10.99.0.2/32", "10.99.0.3/32"},
	observed.IPv6: {"fd99::1/128", "fd99::2/128", "fd99::3/128"},
}

// patience is long because over the loopback the first ICMPv6 error meets a
// socket that is still sending and counts only with the repeat, a second later.
const patience = 20 * time.Second

// connect tries a TCP connection from an address of this machine.
func connect(from, to netip.AddrPort) error { return connectWithin(patience, from, to) }

func connectWithin(d time.Duration, from, to netip.AddrPort) error {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	defer cancel()
	dialer := net.Dialer{LocalAddr: net.TCPAddrFromAddrPort(from)}
	conn, err := dialer.DialContext(ctx, "tcp", to.String())
	if err != nil {
		return err
	}
	return conn.Close()
}

// listen serves on a free port until the test ends.
func listen(t *testing.T, at netip.Addr) netip.AddrPort {
	t.Helper()
	server, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(netip.AddrPortFrom(at, 0)))
	if err != nil {
		t.Fatalf("listening on %s: %v", at, err)
	}
	t.Cleanup(func() { _ = server.Close() })
	go func() {
		for {
			conn, err := server.Accept()
			if err != nil {
				return
			}
			_ = conn.Close()
		}
	}()
	return server.Addr().(*net.TCPAddr).AddrPort()
}

// street is a server with a client that gets banned and one that does not.
type street struct{ server, banned, innocent netip.AddrPort }

func newStreet(t *testing.T, f observed.Family) street {
	t.Helper()
	var addrs [3]netip.Addr
	for i, text := range packetAddrs[f] {
		testenv.Run(t, "", "ip", "address", "replace", text, "dev", "lo", "nodad")
		addrs[i] = netip.MustParsePrefix(text).Addr()
	}
	s := street{
		server: listen(t, addrs[0]),
		banned: netip.AddrPortFrom(addrs[1], 0), innocent: netip.AddrPortFrom(addrs[2], 0),
	}
	for _, from := range []netip.AddrPort{s.banned, s.innocent} {
		await(t, from, s.server)
	}
	return s
}

// await connects as soon as the kernel has set a new address up, which for
// IPv6 goes on after the program that added it has ended.
func await(t *testing.T, from, to netip.AddrPort) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		err := connect(from, to)
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("before any ban %s cannot connect: %v", from, err)
		}
	}
}

func TestABannedAddressCannotConnectAndOthersCan(t *testing.T) {
	for _, variant := range []string{"nft", "legacy"} {
		for _, f := range observed.Families {
			for _, s := range []observed.HostSpec{ipset, iptables} {
				t.Run(variant+"/"+string(f)+"/"+s.Backend, func(t *testing.T) {
					testenv.Need(t, "ip")
					m := kernelMachine(t, variant)
					road := newStreet(t, f)
					ban := netip.PrefixFrom(road.banned.Addr(), road.banned.Addr().BitLen()).String()
					do(t, m.host(s), repair, add(ban, time.Time{}))
					if err := connect(road.banned, road.server); !errors.Is(err, syscall.ECONNREFUSED) {
						t.Errorf("the banned address was met with %v, not with a refusal", err)
					}
					if err := connect(road.innocent, road.server); err != nil {
						t.Errorf("an innocent address cannot connect: %v", err)
					}
					do(t, m.host(s), remove(ban))
					if err := connect(road.banned, road.server); err != nil {
						t.Errorf("the ban was lifted, yet the address cannot connect: %v", err)
					}
				})
			}
		}
	}
}

func TestABanOfSomePortsLeavesTheOthersOpen(t *testing.T) {
	for _, variant := range []string{"nft", "legacy"} {
		for _, backend := range []string{observed.BackendIPSet, observed.BackendIPTables} {
			t.Run(variant+"/"+backend, func(t *testing.T) {
				testenv.Need(t, "ip")
				m := kernelMachine(t, variant)
				road := newStreet(t, observed.IPv4)
				other := listen(t, road.server.Addr())
				port := int(road.server.Port())
				s := observed.HostSpec{Backend: backend, Shape: observed.Shape{
					Protocol: observed.ProtocolTCP, Ports: observed.Ports{From: port, To: port},
				}}
				do(t, m.host(s), repair, add(road.banned.Addr().String()+"/32", time.Time{}))
				if err := connect(road.banned, road.server); !errors.Is(err, syscall.ECONNREFUSED) {
					t.Errorf("at the banned port %d the address was met with %v", port, err)
				}
				if err := connect(road.banned, other); err != nil {
					t.Errorf("another port is blocked as well: %v", err)
				}
			})
		}
	}
}

func TestADroppedConnectionGetsNoAnswer(t *testing.T) {
	testenv.Need(t, "ip")
	m := kernelMachine(t, "nft")
	road := newStreet(t, observed.IPv4)
	s := observed.HostSpec{Block: observed.BlockDrop}
	do(t, m.host(s), repair, add(road.banned.Addr().String()+"/32", time.Time{}))
	var refused net.Error
	if err := connectWithin(time.Second, road.banned, road.server); !errors.As(err, &refused) || !refused.Timeout() {
		t.Errorf("the dropped connection ended with %v, not by silence", err)
	}
}

// What the reader calls overruled must be so for packets, and a pin must end it.
func TestAnOverruledBanLetsPacketsThroughUntilThePin(t *testing.T) {
	testenv.Need(t, "ip")
	m := kernelMachine(t, "nft")
	road := newStreet(t, observed.IPv4)
	do(t, m.host(ipset), repair, add(road.banned.Addr().String()+"/32", time.Time{}))
	m.tables(":first - [0:0]", "-A first -p tcp -m multiport --dports 1:65535 -j ACCEPT", "-I INPUT 1 -j first")
	if len(m.read(t, ipset).Overruled) != 2 {
		t.Fatalf("overruled are %v", m.read(t, ipset).Overruled)
	}
	if err := connect(road.banned, road.server); err != nil {
		t.Fatalf("an earlier rule accepts, yet the connection failed: %v", err)
	}
	do(t, m.host(ipset), pin)
	if err := connect(road.banned, road.server); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("after the pin the banned address was met with %v", err)
	}
}
