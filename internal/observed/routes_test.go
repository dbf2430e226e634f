package observed

import (
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"reconciler/internal/testenv"
)

// routed gives this namespace a link and the routes, which go with the link.
func routed(t *testing.T, routes ...string) {
	t.Helper()
	ip := func(args string) {
		if out, err := exec.Command("ip", strings.Fields(args)...).CombinedOutput(); err != nil { //nolint:noctx // it ends by itself
			t.Fatalf("ip %s: %v: %s", args, err, out)
		}
	}
	ip("link add here type veth peer name there")
	t.Cleanup(func() { ip("link delete here") })
	for _, args := range []string{"link set here up", "link set there up", "addr add 10.0.1.1/24 dev here", "addr add 2001:db8::1/64 dev here nodad"} {
		ip(args)
	}
	for _, args := range routes {
		ip(args)
	}
}

func gatewaysOf(list []Protected) (out []string) {
	for _, p := range list {
		if p.Rule == "a gateway of this host" {
			out = append(out, p.Prefix.Addr().String())
		}
	}
	slices.Sort(out)
	return out
}

// What is no default route, of no main table, or only one hop of several is a
// gateway as well: without it this host is cut off from somebody.
func TestEveryGatewayOfTheKernelIsProtected(t *testing.T) {
	testenv.Need(t, "ip")
	for name, c := range map[string]struct{ routes, want []string }{
		"none":                     {nil, nil},
		"the default ones":         {[]string{"route add default via 10.0.1.254", "-6 route add default via 2001:db8::fe"}, []string{"10.0.1.254", "2001:db8::fe"}},
		"of another table":         {[]string{"route add default via 10.0.1.253 table 100", "-6 route add default via 2001:db8::fd table 4242"}, []string{"10.0.1.253", "2001:db8::fd"}},
		"several hops":             {[]string{"route add 192.0.2.0/24 nexthop via 10.0.1.2 weight 1 nexthop via 10.0.1.3 weight 2", "-6 route add 2001:db8:1::/48 nexthop via 2001:db8::2 nexthop via 2001:db8::3"}, []string{"10.0.1.2", "10.0.1.3", "2001:db8::2", "2001:db8::3"}},
		"off the link":             {[]string{"route add 192.0.2.0/24 via 172.31.0.1 dev here onlink"}, []string{"172.31.0.1"}},
		"of the other family":      {[]string{"route add 192.0.2.0/24 via inet6 2001:db8::4", "route add 198.51.100.0/24 nexthop via inet6 2001:db8::5 dev here nexthop via 10.0.1.5 dev here"}, []string{"10.0.1.5", "2001:db8::4", "2001:db8::5"}},
		"by itself":                {[]string{"nexthop add id 7 via 10.0.1.7 dev here", "route add 192.0.2.0/24 nhid 7"}, []string{"10.0.1.7"}},
		"of a router's announcing": {[]string{"-6 route add default via 2001:db8::ff dev here proto ra metric 1024"}, []string{"2001:db8::ff"}},
	} {
		t.Run(name, func(t *testing.T) {
			routed(t, c.routes...)
			list, err := ProtectedHere()
			if got := gatewaysOf(list); err != nil || !slices.Equal(got, c.want) {
				t.Errorf("the gateways are %q (%v), want %q", got, err, c.want)
			}
		})
	}
}

// The kernel's answer comes in parts.
func TestAThousandRoutesAreReadWhole(t *testing.T) {
	testenv.Need(t, "ip")
	routed(t)
	var batch strings.Builder
	for i := range 2000 {
		batch.WriteString("route add " + netip.AddrFrom4([4]byte{100, 64, byte(i >> 8), byte(i)}).String() + " via 10.0.1." + []string{"8", "9"}[i/1999] + "\n")
	}
	cmd := exec.Command("ip", "-batch", "-") //nolint:noctx // it ends by itself
	cmd.Stdin = strings.NewReader(batch.String())
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	list, err := ProtectedHere()
	if got := gatewaysOf(list); err != nil || !slices.Equal(got, []string{"10.0.1.8", "10.0.1.9"}) {
		t.Errorf("the gateways are %q (%v)", got, err)
	}
}

// The unit of the package has ProcSubset=pid and ProtectProc=invisible, and with
// them a /proc in which there is no net (proc(5)).
func TestTheSandboxOfTheUnitHidesNoGateway(t *testing.T) {
	testenv.Need(t, "ip")
	testenv.NeedRoot(t)
	routed(t, "route add default via 10.0.1.254", "-6 route add default via 2001:db8::fe")
	done := make(chan struct{})
	go func() { // its thread has mounts of its own, and ends with it
		defer close(done)
		runtime.LockOSThread()
		if err := unix.Unshare(unix.CLONE_FS | unix.CLONE_NEWNS); err != nil {
			t.Errorf("unshare: %v", err)
			return
		}
		if err := unix.Mount("proc", "/proc", "proc", 0, "hidepid=invisible,subset=pid"); err != nil {
			t.Errorf("mounting as the unit does: %v", err)
			return
		}
		if _, err := os.Stat("/proc/net/route"); err == nil {
			t.Error("/proc/net is there: this is not what the unit does")
		}
		list, err := ProtectedHere()
		if got := gatewaysOf(list); err != nil || !slices.Equal(got, []string{"10.0.1.254", "2001:db8::fe"}) {
			t.Errorf("the gateways are %q (%v)", got, err)
		}
	}()
	<-done
}

// Half an answer, or none of the form that is expected, must not end the daemon.
func TestTornMessagesOfTheKernelGiveNoGateway(t *testing.T) {
	whole := make([]byte, unix.SizeofRtMsg, 64)
	whole[0] = unix.AF_INET
	whole = append(whole, 8, 0, unix.RTA_GATEWAY, 0, 10, 0, 1, 254)
	if got := routeHops(whole); len(got) != 1 || got[0].String() != "10.0.1.254" {
		t.Fatalf("the whole message gives %v", got)
	}
	for n := range whole {
		if got := routeHops(whole[:n]); len(got) > 0 {
			t.Errorf("%d bytes of it give %v", n, got)
		}
	}
	for _, rows := range [][]byte{{0, 0, 0, 0, 0, 0, 0, 0}, {255, 0, 0, 0, 0, 0, 0, 0}, {7, 0, 0, 0, 0, 0, 0, 0}} {
		m := append(slices.Clone(whole[:unix.SizeofRtMsg]), 12, 0, unix.RTA_MULTIPATH, 0)
		if got := routeHops(append(m, rows...)); len(got) > 0 {
			t.Errorf("rows of %v give %v", rows, got)
		}
	}
}
