package observed

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Protected is an address range that is never banned, and the rule that says so.
type Protected struct {
	Prefix netip.Prefix `json:"prefix"`
	Rule   string       `json:"rule"` // in words: "--ignore", "an address of this host", …
}

// Where the resolver keeps what must not be cut off.
const resolvConf = "/etc/resolv.conf"

// resolvBehind are the files for those that a stub on loopback asks, which is
// all that resolv.conf names then: of systemd-resolved (systemd-resolved.service(8)),
// of NetworkManager (NetworkManager.conf(5), rc-manager) and of Debian's dnsmasq.
var resolvBehind = []string{resolvedBehind, "/run/NetworkManager/no-stub-resolv.conf", "/run/dnsmasq/resolv.conf"}

const resolvedBehind = "/run/systemd/resolve/resolv.conf"

// resolvedStubs are the addresses that systemd-resolved itself answers on.
var resolvedStubs = []netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 53}), netip.AddrFrom4([4]byte{127, 0, 0, 54})}

// ProtectedHere gives the addresses of this host, its gateways and its
// resolvers, and those by which this process reaches AWS. What could be found
// out is given even when there is an error, which names what could not.
func ProtectedHere() ([]Protected, error) {
	here, err := ProtectedSeenIn("/")
	return append(here, waysToAWS(time.Now())...), err
}

// ProtectedSeenIn gives those of this host alone, with the files that are seen
// below a root, such as another process's.
func ProtectedSeenIn(root string) ([]Protected, error) {
	own, ownErr := ownAddresses()
	hops, hopsErr := gateways()
	asked, askedErr := resolversIn(root)
	own = append(own, rulesOf("a gateway of this host", hops)...)
	own = append(own, rulesOf("a resolver of this host", asked)...)
	if err := errors.Join(ownErr, hopsErr, askedErr); err != nil {
		return own, fmt.Errorf("some of what must not be banned is not known and not protected: %w", err)
	}
	return own, nil
}

func rulesOf(rule string, addrs []netip.Addr) (out []Protected) {
	for _, addr := range addrs {
		if p := single(addr, rule); !slices.Contains(out, p) {
			out = append(out, p)
		}
	}
	return out
}

// resolversIn gives the resolvers by the files below a root. resolv.conf has to
// be there, and where it names systemd-resolved, those behind that too.
func resolversIn(root string) ([]netip.Addr, error) {
	text, err := readIn(root, resolvConf)
	found := resolvers(text)
	stub := slices.ContainsFunc(found, func(a netip.Addr) bool { return slices.Contains(resolvedStubs, a) })
	errs := []error{err}
	for _, path := range resolvBehind {
		text, err := readIn(root, path)
		found = append(found, resolvers(text)...)
		if needed := stub && path == resolvedBehind; needed || !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return found, errors.Join(errs...)
}

// readIn reads a file below a root, and follows links as one does whose root
// that is.
func readIn(root, path string) ([]byte, error) {
	if root == "/" {
		return os.ReadFile(path)
	}
	dir, err := os.Open(root)
	if err != nil {
		return nil, err
	}
	defer dir.Close() //nolint:errcheck // it was only read
	fd, err := unix.Openat2(int(dir.Fd()), path, &unix.OpenHow{Flags: unix.O_RDONLY | unix.O_CLOEXEC, Resolve: unix.RESOLVE_IN_ROOT})
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: filepath.Join(root, path), Err: err}
	}
	file := os.NewFile(uintptr(fd), filepath.Join(root, path))
	defer file.Close() //nolint:errcheck // it was only read
	return io.ReadAll(file)
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
