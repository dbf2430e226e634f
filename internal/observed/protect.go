package observed

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
)

// Protected is an address range that is never banned, and the rule that says so.
type Protected struct {
	Prefix netip.Prefix `json:"prefix"`
	Rule   string       `json:"rule"` // in words: "--ignore", "an address of this host", …
}

// Where the kernel and the resolver keep what must not be cut off. Under
// systemd-resolved resolv.conf names a stub on loopback alone; those that the
// stub asks are in a file of its own (systemd-resolved.service(8)).
const (
	routesIPv4   = "/proc/net/route"
	routesIPv6   = "/proc/net/ipv6_route"
	resolvConf   = "/etc/resolv.conf"
	resolvBehind = "/run/systemd/resolve/resolv.conf"
)

// ProtectedHere gives the addresses of this host, its gateways and its
// resolvers. What could be read is given even when there is an error.
func ProtectedHere() ([]Protected, error) {
	own, err := ownAddresses()
	around, errs := protectedIn("/")
	return append(own, around...), errors.Join(err, errs)
}

// protectedIn gives the gateways and resolvers by the files below a root.
func protectedIn(root string) ([]Protected, error) {
	var own []Protected
	var errs []error
	for _, part := range []struct {
		path  string
		parse func([]byte) []netip.Addr
		rule  string
	}{
		{routesIPv4, gatewaysIPv4, "a gateway of this host"},
		{routesIPv6, gatewaysIPv6, "a gateway of this host"},
		{resolvConf, resolvers, "a resolver of this host"},
		{resolvBehind, resolvers, "a resolver of this host"},
	} {
		text, err := os.ReadFile(filepath.Join(root, part.path))
		if err != nil {
			if !errors.Is(err, fs.ErrNotExist) {
				errs = append(errs, fmt.Errorf("finding what must not be banned: %w", err))
			}
			continue
		}
		for _, addr := range part.parse(text) {
			own = append(own, single(addr, part.rule))
		}
	}
	return own, errors.Join(errs...)
}

func single(addr netip.Addr, rule string) Protected {
	addr = addr.Unmap().WithZone("")
	return Protected{Prefix: netip.PrefixFrom(addr, addr.BitLen()), Rule: rule}
}

func ownAddresses() ([]Protected, error) {
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return nil, fmt.Errorf("listing the addresses of this host: %w", err)
	}
	var out []Protected
	for _, a := range addrs {
		if n, ok := a.(*net.IPNet); ok {
			if addr, ok := netip.AddrFromSlice(n.IP); ok {
				out = append(out, single(addr, "an address of this host"))
			}
		}
	}
	return out, nil
}

// gatewaysIPv4 reads the third column of /proc/net/route: the gateway as eight
// hexadecimal digits in the byte order of the machine (proc(5)).
func gatewaysIPv4(text []byte) []netip.Addr {
	var out []netip.Addr
	for fields := range fieldsOf(text) {
		if len(fields) < 3 {
			continue
		}
		raw, err := hex.DecodeString(fields[2])
		if err != nil || len(raw) != 4 {
			continue
		}
		var b [4]byte
		binary.NativeEndian.PutUint32(b[:], binary.BigEndian.Uint32(raw))
		if addr := netip.AddrFrom4(b); !addr.IsUnspecified() {
			out = append(out, addr)
		}
	}
	return out
}

// gatewaysIPv6 reads the fifth column of /proc/net/ipv6_route: the next hop as
// 32 hexadecimal digits in network order.
func gatewaysIPv6(text []byte) []netip.Addr {
	var out []netip.Addr
	for fields := range fieldsOf(text) {
		if len(fields) < 5 {
			continue
		}
		raw, err := hex.DecodeString(fields[4])
		if err != nil || len(raw) != 16 {
			continue
		}
		if addr := netip.AddrFrom16([16]byte(raw)); !addr.IsUnspecified() {
			out = append(out, addr)
		}
	}
	return out
}

func resolvers(text []byte) []netip.Addr {
	var out []netip.Addr
	for fields := range fieldsOf(text) {
		if len(fields) < 2 || fields[0] != "nameserver" {
			continue
		}
		if addr, err := netip.ParseAddr(fields[1]); err == nil {
			out = append(out, addr)
		}
	}
	return out
}

func fieldsOf(text []byte) func(func([]string) bool) {
	return func(yield func([]string) bool) {
		for lines := bufio.NewScanner(bytes.NewReader(text)); lines.Scan(); {
			if !yield(strings.Fields(lines.Text())) {
				return
			}
		}
	}
}
