package observed

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// hexIPv4 writes an address as the kernel of this machine does in /proc/net/route.
func hexIPv4(a, b, c, d byte) string {
	return fmt.Sprintf("%08X", binary.NativeEndian.Uint32([]byte{a, b, c, d}))
}

var (
	routeFile = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n" +
		"eth0\t00000000\t" + hexIPv4(10, 0, 1, 254) + "\t0003\t0\t0\t0\t00000000\t0\t0\t0\n" +
		"eth0\t" + hexIPv4(10, 0, 1, 0) + "\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n" +
		"eth0\tshort\nlo\t00000000\tXYZ\t0\n"
	route6File = "00000000000000000000000000000000 00 00000000000000000000000000000000 00 20010db8000000000000000000000001 00000400 00000001 00000000 00000003     eth0\n" +
		"20010db8000000000000000000000000 40 00000000000000000000000000000000 00 00000000000000000000000000000000 00000100 00000001 00000000 00000001     eth0\n" +
		"cut short\n"
)

func TestGatewaysAndResolversAreProtected(t *testing.T) {
	const gateway, resolver = "a gateway of this host", "a resolver of this host"
	for name, c := range map[string]struct {
		files map[string]string
		want  []string
	}{
		"nothing is there":        {},
		"gateways of both":        {map[string]string{routesIPv4: routeFile, routesIPv6: route6File}, []string{"10.0.1.254/32 " + gateway, "2001:db8::1/128 " + gateway}},
		"resolvers":               {map[string]string{resolvConf: "# a comment\nsearch example.org\nnameserver 192.0.2.53\nnameserver\t2001:db8::53 # the second\nnameserver nonsense\nnameserver\n"}, []string{"192.0.2.53/32 " + resolver, "2001:db8::53/128 " + resolver}},
		"a resolver with a zone":  {map[string]string{resolvConf: "nameserver fe80::1%eth0\n"}, []string{"fe80::1/128 " + resolver}},
		"a mapped resolver":       {map[string]string{resolvConf: "nameserver ::ffff:192.0.2.53\n"}, []string{"192.0.2.53/32 " + resolver}},
		"behind systemd-resolved": {map[string]string{resolvConf: "nameserver 127.0.0.53\noptions edns0\n", resolvBehind: "nameserver 192.0.2.54\n"}, []string{"127.0.0.53/32 " + resolver, "192.0.2.54/32 " + resolver}},
	} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			for path, text := range c.files {
				path = filepath.Join(root, path)
				if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o600)); err != nil {
					t.Fatal(err)
				}
			}
			list, err := protectedIn(root)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, p := range list {
				got = append(got, p.Prefix.String()+" "+p.Rule)
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("protected are %q, want %q", got, c.want)
			}
		})
	}
}

// What can be read counts, whatever else cannot.
func TestAFileThatCannotBeReadProtectsTheRest(t *testing.T) {
	root := t.TempDir()
	for _, dir := range []string{routesIPv4, "/etc"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil { // a directory cannot be read as a file
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(root, resolvConf), []byte("nameserver 192.0.2.53\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	list, err := protectedIn(root)
	if len(list) != 1 || err == nil || errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v and the error %v, want the resolver and an error", list, err)
	}
}
