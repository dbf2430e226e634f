package config

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"reconciler/internal/observed"
)

// between makes the parser of a whole number in a range. why is added to the
// error where the range needs an explanation.
func between(low, high int, why string) func(string) (int, error) {
	return func(text string) (int, error) {
		n, err := strconv.Atoi(text)
		if err == nil && low <= n && n <= high {
			return n, nil
		}
		problem := fmt.Sprintf("%q is not a whole number from %d to %d", text, low, high)
		if why != "" {
			problem += " (" + why + ")"
		}
		return 0, errors.New(problem)
	}
}

// choice makes the parser of a word out of a few.
func choice(words ...string) func(string) (string, error) {
	return func(text string) (string, error) {
		if slices.Contains(words, text) {
			return text, nil
		}
		return "", fmt.Errorf("%q is none of %s", text, strings.Join(words, ", "))
	}
}

func parseBool(text string) (bool, error) {
	b, err := strconv.ParseBool(text)
	if err == nil {
		return b, nil
	}
	meant := "true or false"
	switch strings.ToLower(text) {
	case "yes", "on", "y":
		meant = "true"
	case "no", "off", "n":
		meant = "false"
	}
	return false, fmt.Errorf("%q is neither true nor false; write %s", text, meant)
}

// parseRange reads FIRST-LAST, or a single number as both ends.
func parseRange(text string) (first, last int, err error) {
	low, high, found := strings.Cut(text, "-")
	if !found {
		high = low
	}
	first, err = parseDigits(low)
	if err != nil {
		return 0, 0, err
	}
	last, err = parseDigits(high)
	return first, last, err
}

// parseDigits is Atoi without signs: a second dash or a plus is a mistake.
func parseDigits(text string) (int, error) {
	n, err := strconv.ParseUint(text, 10, 31)
	if err != nil {
		return 0, fmt.Errorf("reading number %q: %w", text, err)
	}
	return int(n), nil
}

func parseWindow(text string) (observed.Window, error) {
	first, last, err := parseRange(text)
	if err != nil || first < 1 || last > maxRule || first > last || !strings.Contains(text, "-") {
		return observed.Window{}, fmt.Errorf("%q is no range of rule numbers; write FIRST-LAST within 1-%d, such as 1-90", text, maxRule)
	}
	return observed.Window{First: first, Last: last}, nil
}

func parseProtocol(text string) (string, error) {
	switch text {
	case "all":
		return observed.ProtocolAll, nil
	case "tcp":
		return observed.ProtocolTCP, nil
	case "udp":
		return observed.ProtocolUDP, nil
	}
	return "", fmt.Errorf("%q is none of all, tcp, udp", text)
}

// parsePorts gives every way to say all ports as the zero value, so that two
// equal shapes compare equal. Port 0 alone is refused: no service has it, so
// such a ban would stop nobody.
func parsePorts(text string) (observed.Ports, error) {
	if text == "all" {
		return observed.Ports{}, nil
	}
	from, to, err := parseRange(text)
	if err != nil || from > to || to > 65535 || to == 0 {
		return observed.Ports{}, fmt.Errorf("%q is no port or range; write all, 22 or 8000-8999", text)
	}
	return observed.NewPorts(from, to), nil
}

// parseIgnore takes an address or a prefix. Host bits are cleared and
// IPv4-mapped forms unmapped, as everywhere in this program.
func parseIgnore(text string) (netip.Prefix, error) {
	problem := fmt.Errorf("%q is no address or prefix; write 192.0.2.7, 192.0.2.0/24 or 2001:db8::/32", text)
	addr, err := netip.ParseAddr(text)
	bits := addr.BitLen()
	if err != nil {
		prefix, err := netip.ParsePrefix(text)
		if err != nil {
			return netip.Prefix{}, problem
		}
		addr, bits = prefix.Addr(), prefix.Bits()
	}
	if addr.Zone() != "" {
		return netip.Prefix{}, fmt.Errorf("%q has a zone; leave out %q", text, "%"+addr.Zone())
	}
	if addr.Is4In6() {
		if addr, bits = addr.Unmap(), bits-96; bits < 0 {
			return netip.Prefix{}, problem
		}
	}
	if bits == 0 {
		return netip.Prefix{}, fmt.Errorf("%q covers every address of its family, so nothing could be banned; name what is to be kept reachable", text)
	}
	return netip.PrefixFrom(addr, bits).Masked(), nil
}

const (
	minResync = 5 * time.Second
	maxResync = 24 * time.Hour
)

func parseResync(text string) (time.Duration, error) {
	d, err := time.ParseDuration(text)
	if err != nil || d < minResync || d > maxResync {
		return 0, fmt.Errorf("%q is no duration from 5s to 24h; write it with a unit, such as 60s or 5m", text)
	}
	return d, nil
}

// The least size keeps a compaction from running at every line: a file system
// gives space back in blocks of 4096 bytes at best.
const (
	minCompactAt = 4096
	maxCompactAt = 1 << 40
)

func parseSize(text string) (int64, error) {
	digits, unit := text, int64(1)
	for suffix, factor := range map[string]int64{"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30} {
		if rest, ok := strings.CutSuffix(text, suffix); ok {
			digits, unit = strings.TrimSpace(rest), factor
		}
	}
	n, err := parseDigits(digits)
	size := int64(n) * unit // 31 bits and 30 more: no overflow
	if err != nil || size < minCompactAt || size > maxCompactAt {
		return 0, fmt.Errorf("%q is no size from 4KiB to 1024GiB; write bytes, or KiB, MiB, GiB, such as 1MiB", text)
	}
	return size, nil
}
