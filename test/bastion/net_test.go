//go:build e2e

package bastion

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"reconciler/internal/testenv"
)

// Names and addresses. The test's own namespace is the router: the bastion is
// behind the bridge, everybody else in a namespace of their own.
const (
	bridge   = "br0"
	outside  = "outside"
	endpoint = "10.0.1.1:4566"
	metadata = "169.254.169.254:80"
)

var (
	bastion4 = netip.MustParseAddrPort("10.0.1.10:22")
	bastion6 = netip.MustParseAddrPort("[fd00:ec2:0:101::a]:22")
)

// port gives the bastion's sshd in the family of an address.
func port(from netip.Addr) netip.AddrPort {
	if from.Is4() {
		return bastion4
	}
	return bastion6
}

// addresses gives n addresses that follow one another.
func addresses(first string, n int) []netip.Addr {
	out := []netip.Addr{netip.MustParseAddr(first)}
	for len(out) < n {
		out = append(out, out[len(out)-1].Next())
	}
	return out
}

const routes = `
link add name br0 type bridge
link set br0 up
address add 10.0.1.1/24 dev br0
address add fd00:ec2:0:101::1/64 dev br0 nodad
address add 169.254.169.254/32 dev br0
link add world0 type veth peer name att0 netns outside
link set world0 up
address add 10.9.0.1/30 dev world0
address add fd00:9::1/64 dev world0 nodad
`

const routesOutside = `
link set lo up
link set att0 up
address add 10.9.0.2/30 dev att0
address add fd00:9::2/64 dev att0 nodad
route add default via 10.9.0.1
route add default via fd00:9::1
`

// internet is where the others live.
type internet struct {
	ns     *os.File
	people map[netip.Addr]bool // who has an address there
}

// raiseNetwork joins the bridge and the outside, where the people's addresses are.
func raiseNetwork(t *testing.T, people []netip.Addr) *internet {
	t.Helper()
	testenv.Run(t, "", "ip", "netns", "add", outside)
	testenv.Run(t, routes, "ip", "-batch", "-")
	var there, here strings.Builder
	there.WriteString(routesOutside)
	for _, a := range people {
		via, dad := "10.9.0.2", ""
		if a.Is6() {
			via, dad = "fd00:9::2", "nodad"
		}
		fmt.Fprintf(&there, "address add %s dev att0 %s\n", netip.PrefixFrom(a, a.BitLen()), dad)
		fmt.Fprintf(&here, "route add %s via %s\n", netip.PrefixFrom(a, a.BitLen()), via)
	}
	testenv.Run(t, there.String(), "ip", "-n", outside, "-batch", "-")
	testenv.Run(t, here.String(), "ip", "-batch", "-")
	for _, knob := range []string{"ipv4/ip_forward", "ipv6/conf/all/forwarding"} {
		if err := os.WriteFile("/proc/sys/net/"+knob, []byte("1"), 0o644); err != nil {
			t.Fatalf("making the router forward packets: %v", err)
		}
	}
	ns, err := os.Open("/run/netns/" + outside)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ns.Close() }) // it goes with the process anyway
	n := &internet{ns: ns, people: map[netip.Addr]bool{}}
	for _, a := range people {
		n.people[a] = true
	}
	return n
}

// dial connects from an address outside.
func (n *internet) dial(ctx context.Context, from netip.Addr, to netip.AddrPort, timeout time.Duration) (net.Conn, error) {
	return dialIn(ctx, n.ns, net.Dialer{LocalAddr: &net.TCPAddr{IP: from.AsSlice()}, Timeout: timeout}, to)
}

// dialIn connects in a network namespace. A socket stays in the one in which it
// was made, so the connection is good anywhere.
func dialIn(ctx context.Context, ns *os.File, dialer net.Dialer, to netip.AddrPort) (net.Conn, error) {
	type answer struct {
		conn net.Conn
		err  error
	}
	done := make(chan answer, 1)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		if err := unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET); err != nil {
			done <- answer{err: fmt.Errorf("entering a network namespace: %w", err)}
			return
		}
		conn, err := dialer.DialContext(ctx, "tcp", to.String())
		done <- answer{conn, err}
	}()
	a := <-done
	return a.conn, a.err
}

// How long a connect may take. Here it takes a millisecond, or somebody drops the
// packets: who is expected to be stopped waits for a short time, who is expected
// to get in for as long as a busy machine may need.
const (
	knockTime = 700 * time.Millisecond
	entryTime = 10 * time.Second
)

// knock says whether the bastion takes a connection from an address that is to
// be stopped.
func (n *internet) knock(from netip.Addr) error { return n.try(from, knockTime) }

// knockAll knocks from each at once: those that are dropped answer late.
func (n *internet) knockAll(list []netip.Addr) map[netip.Addr]error {
	answers := make([]error, len(list))
	var all sync.WaitGroup
	for i, a := range list {
		all.Go(func() { answers[i] = n.knock(a) })
	}
	all.Wait()
	told := map[netip.Addr]error{}
	for i, a := range list {
		told[a] = answers[i]
	}
	return told
}

// enter says whether the bastion takes a connection from an address that is free.
func (n *internet) enter(from netip.Addr) error { return n.try(from, entryTime) }

func (n *internet) try(from netip.Addr, timeout time.Duration) error {
	conn, err := n.dial(context.Background(), from, port(from), timeout)
	if err != nil {
		return err
	}
	_ = conn.(*net.TCPConn).SetLinger(0) // leaves no trace in the port table
	return conn.Close()
}
