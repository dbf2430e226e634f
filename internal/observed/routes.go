package observed

import (
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"net/netip"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// routesTimeout bounds the wait for each part of the kernel's answer.
const routesTimeout = 2 * time.Second

// gateways asks the kernel for every next hop of this network namespace: of all
// routing tables and both families, of routes with several, of those that lead
// to an address of the other family, and of next hops that stand by themselves.
// It is asked by rtnetlink(7): what /proc/net shows, a sandbox may hide, and it
// is one table of IPv4 alone.
func gateways() ([]netip.Addr, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("asking the kernel for the routes: %w", err)
	}
	defer func() { _ = unix.Close(fd) }()
	timeout := unix.NsecToTimeval(int64(routesTimeout))
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &timeout); err != nil {
		return nil, fmt.Errorf("asking the kernel for the routes: %w", err)
	}
	hops, err := dump(fd, unix.RTM_GETROUTE, unix.SizeofRtMsg, routeHops)
	if err != nil {
		return hops, fmt.Errorf("reading the routes: %w", err)
	}
	// Before Linux 5.3 no next hop stands by itself.
	more, err := dump(fd, unix.RTM_GETNEXTHOP, unix.SizeofNhmsg, nextHops)
	if err != nil && !errors.Is(err, unix.EOPNOTSUPP) {
		return append(hops, more...), fmt.Errorf("reading the next hops: %w", err)
	}
	return append(hops, more...), nil
}

// dump asks one question and parses each message of the answer, anew when a
// route changed meanwhile. What came before an error is given with it.
func dump(fd int, question uint16, size int, parse func([]byte) []netip.Addr) (hops []netip.Addr, err error) {
	for range 3 {
		var torn bool
		if hops, torn, err = dumpOnce(fd, question, size, parse); err != nil || !torn {
			break
		}
	}
	return hops, err
}

func dumpOnce(fd int, question uint16, size int, parse func([]byte) []netip.Addr) (hops []netip.Addr, torn bool, err error) {
	request := make([]byte, unix.SizeofNlMsghdr+size)
	binary.NativeEndian.PutUint32(request, uint32(len(request)))
	binary.NativeEndian.PutUint16(request[4:], question)
	binary.NativeEndian.PutUint16(request[6:], unix.NLM_F_REQUEST|unix.NLM_F_DUMP)
	if err := unix.Sendto(fd, request, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return nil, false, err
	}
	buffer := make([]byte, 1<<16) // the kernel's parts are half as large at most
	for {
		n, _, err := unix.Recvfrom(fd, buffer, 0)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return hops, torn, err
		}
		messages, err := syscall.ParseNetlinkMessage(buffer[:n])
		if err != nil {
			return hops, torn, err
		}
		for _, m := range messages {
			torn = torn || m.Header.Flags&unix.NLM_F_DUMP_INTR != 0
			switch m.Header.Type {
			case unix.NLMSG_DONE:
				return hops, torn, nil
			case unix.NLMSG_ERROR:
				return hops, torn, errorOf(m.Data)
			}
			hops = append(hops, parse(m.Data)...)
		}
	}
}

func errorOf(message []byte) error {
	if len(message) < 4 {
		return unix.EBADMSG
	}
	return unix.Errno(-int32(binary.NativeEndian.Uint32(message))) // the kernel writes a negative errno
}

// routeHops gives the next hops of an RTM_NEWROUTE: struct rtmsg, attributes.
func routeHops(message []byte) []netip.Addr {
	if len(message) < unix.SizeofRtMsg {
		return nil
	}
	return hopsOf(message[0], message[unix.SizeofRtMsg:])
}

func hopsOf(family byte, attributes []byte) (hops []netip.Addr) {
	for kind, value := range attributesOf(attributes) {
		switch kind {
		case unix.RTA_GATEWAY:
			hops = append(hops, hop(family, value)...)
		case unix.RTA_VIA: // struct rtvia: a family of its own before the address
			if len(value) > 2 {
				hops = append(hops, hop(byte(binary.NativeEndian.Uint16(value)), value[2:])...)
			}
		case unix.RTA_MULTIPATH: // rows of struct rtnexthop, each with its attributes
			for len(value) >= unix.SizeofRtNexthop {
				length := int(binary.NativeEndian.Uint16(value))
				if length < unix.SizeofRtNexthop || length > len(value) {
					break
				}
				hops = append(hops, hopsOf(family, value[unix.SizeofRtNexthop:length])...)
				value = value[min(aligned(length), len(value)):]
			}
		}
	}
	return hops
}

// nextHops gives the next hop of an RTM_NEWNEXTHOP: struct nhmsg, attributes.
func nextHops(message []byte) (hops []netip.Addr) {
	if len(message) < unix.SizeofNhmsg {
		return nil
	}
	for kind, value := range attributesOf(message[unix.SizeofNhmsg:]) {
		if kind == unix.NHA_GATEWAY {
			hops = append(hops, hop(message[0], value)...)
		}
	}
	return hops
}

// hop gives the address of a next hop, if it is one: routes of other families
// are in the answer too.
func hop(family byte, value []byte) []netip.Addr {
	addr, ok := netip.AddrFromSlice(value)
	if !ok || family != unix.AF_INET && family != unix.AF_INET6 || addr.IsUnspecified() {
		return nil
	}
	return []netip.Addr{addr}
}

// attributesOf walks over attributes: length and kind, two bytes each, then the
// value, padded to four.
func attributesOf(b []byte) iter.Seq2[int, []byte] {
	return func(yield func(int, []byte) bool) {
		for len(b) >= unix.SizeofRtAttr {
			length := int(binary.NativeEndian.Uint16(b))
			if length < unix.SizeofRtAttr || length > len(b) {
				return
			}
			if !yield(int(binary.NativeEndian.Uint16(b[2:])&^(unix.NLA_F_NESTED|unix.NLA_F_NET_BYTEORDER)), b[unix.SizeofRtAttr:length]) {
				return
			}
			b = b[min(aligned(length), len(b)):]
		}
	}
}

func aligned(length int) int { return (length + unix.NLMSG_ALIGNTO - 1) &^ (unix.NLMSG_ALIGNTO - 1) }
