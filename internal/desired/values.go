package desired

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// The limits of what a record may hold.
const (
	maxUnix      = 253402300799 // the last second of the year 9999
	maxJail      = 200          // bytes
	maxHost      = 255          // bytes, the longest name that DNS allows
	maxReason    = 256          // bytes that are kept of a reason
	maxDefer     = 24 * time.Hour
	maxQuoted    = 64 // bytes of foreign text that an error repeats
	mappedLength = 96 // bits before the IPv4 address in an IPv4-mapped one (RFC 4291, 2.5.5.2)
)

// ErrEveryone is the cause when a prefix is 0.0.0.0/0 or ::/0.
var ErrEveryone = errors.New("bans everyone")

// ParsePrefix reads an address or a CIDR and makes it canonical: masked, and an
// IPv4-mapped one as IPv4. Zones are refused, and so are prefixes of length 0
// (ErrEveryone).
func ParsePrefix(text string) (netip.Prefix, error) {
	if strings.IndexByte(text, '%') >= 0 {
		return netip.Prefix{}, fmt.Errorf("%s has a zone; give the address without it", quoted(text))
	}
	p, err := parseEither(text)
	if err != nil {
		return netip.Prefix{}, fmt.Errorf("%s is not an IP address or a CIDR; write 203.0.113.7 or 203.0.113.0/24", quoted(text))
	}
	if p.Addr().Is4In6() {
		if p.Bits() < mappedLength {
			return netip.Prefix{}, fmt.Errorf("%s reaches beyond the IPv4-mapped addresses; write the IPv4 prefix itself", quoted(text))
		}
		p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-mappedLength)
	}
	p = p.Masked()
	if p.Bits() == 0 {
		return netip.Prefix{}, fmt.Errorf("%s %w; name a narrower prefix", quoted(text), ErrEveryone)
	}
	return p, nil
}

func parseEither(text string) (netip.Prefix, error) {
	if strings.IndexByte(text, '/') >= 0 {
		return netip.ParsePrefix(text)
	}
	addr, err := netip.ParseAddr(text)
	if err != nil {
		return netip.Prefix{}, err
	}
	return netip.PrefixFrom(addr, addr.BitLen()), nil
}

// JailName returns the name by which the log knows a jail: any text but an empty
// one, as fail2ban takes them. What is longer than maxJail bytes ends in a hash of
// the whole, so that it stays one name and another jail's is another.
func JailName(text string) (string, error) {
	name := strings.ToValidUTF8(text, string(utf8.RuneError))
	if name == "" {
		return "", errors.New("jail: the name is empty; leave it out or name a jail")
	}
	if len(name) > maxJail {
		sum := sha256.Sum256([]byte(text))
		name = fmt.Sprintf("%s~%x", clip(name, maxJail-9), sum[:4])
	}
	return name, nil
}

// CheckHost says what is wrong with the name of a host; nil is nothing.
func CheckHost(name string) error {
	if name == "" || len(name) > maxHost || !consistsOf(name, "_.:-") {
		return fmt.Errorf("host %s: use 1 to %d letters, digits, '_', '.', ':' or '-'", quoted(name), maxHost)
	}
	return nil
}

func consistsOf(name, others string) bool {
	for i := range len(name) {
		c := name[i]
		letter := 'a' <= c|0x20 && c|0x20 <= 'z'
		if !letter && (c < '0' || c > '9') && strings.IndexByte(others, c) < 0 {
			return false
		}
	}
	return true
}

// ErrTimeRange is the cause when a time is not between the years 1970 and 9999.
var ErrTimeRange = errors.New("not between the years 1970 and 9999")

// parseUnix reads Unix seconds with an optional fraction, without rounding as a
// float would. Digits past the nanosecond are dropped.
func parseUnix(text string) (time.Time, error) {
	if strings.ContainsAny(text, "eE") {
		return parseUnixFloat(text)
	}
	whole, fraction, _ := strings.Cut(text, ".")
	seconds, err := strconv.ParseInt(whole, 10, 64)
	if errors.Is(err, strconv.ErrSyntax) || strings.HasPrefix(whole, "+") {
		return time.Time{}, fmt.Errorf("%s is not a number", quoted(text))
	}
	if err != nil || strings.HasPrefix(whole, "-") || seconds > maxUnix {
		return time.Time{}, fmt.Errorf("%s as a Unix time is %w", quoted(text), ErrTimeRange)
	}
	nanos := int64(0)
	for i := range len(fraction) {
		if fraction[i] < '0' || fraction[i] > '9' {
			return time.Time{}, fmt.Errorf("%s is not a number", quoted(text))
		}
	}
	for i, unit := 0, int64(100_000_000); i < len(fraction) && unit > 0; i, unit = i+1, unit/10 {
		nanos += int64(fraction[i]-'0') * unit
	}
	return time.Unix(seconds, nanos).UTC(), nil
}

func parseUnixFloat(text string) (time.Time, error) {
	x, err := strconv.ParseFloat(text, 64)
	if errors.Is(err, strconv.ErrSyntax) {
		return time.Time{}, fmt.Errorf("%s is not a number", quoted(text))
	}
	if err != nil || !(x >= 0 && x < maxUnix) {
		return time.Time{}, fmt.Errorf("%s as a Unix time is %w", quoted(text), ErrTimeRange)
	}
	whole, fraction := math.Modf(x)
	return time.Unix(int64(whole), int64(fraction*1e9)).UTC(), nil
}

// parseStamp reads RFC 3339.
func parseStamp(text string) (time.Time, error) {
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return time.Time{}, fmt.Errorf("%s is neither Unix seconds nor RFC 3339", quoted(text))
	}
	if t.Unix() < 0 || t.Unix() > maxUnix {
		return time.Time{}, fmt.Errorf("%s is %w", quoted(text), ErrTimeRange)
	}
	return t.UTC(), nil
}

// clip shortens text to at most n bytes without cutting a character.
func clip(text string, n int) string {
	if len(text) <= n {
		return text
	}
	for n > 0 && !utf8.RuneStart(text[n]) {
		n--
	}
	return text[:n]
}

// quoted makes foreign text fit for an error message: short, and with every
// control byte escaped.
func quoted(text string) string {
	if len(text) > maxQuoted {
		return strconv.Quote(clip(text, maxQuoted)) + "…"
	}
	return strconv.Quote(text)
}

// ShellWord returns a name as one word of a shell.
func ShellWord(name string) string {
	if name != "" && strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.@:-") == "" {
		return name
	}
	return "'" + strings.ReplaceAll(name, "'", `'\''`) + "'"
}

// laterBy adds to a time without leaving the range that can be written.
func laterBy(t time.Time, d time.Duration) time.Time {
	if last := time.Unix(maxUnix, 0); last.Sub(t) < d {
		return last.UTC()
	}
	return t.Add(d)
}

// later gives the later of two times; zero is before all others.
func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// sooner gives the earlier of two instants, where zero is never.
func sooner(a, b time.Time) time.Time {
	if EndsBefore(a, b) {
		return a
	}
	return b
}

// writable brings a clock's reading into the range that a log can hold, without
// the monotonic part that no file keeps.
func writable(t time.Time) time.Time {
	if t.Unix() < 0 {
		return time.Unix(0, 0).UTC()
	}
	if t.Unix() > maxUnix {
		return time.Unix(maxUnix, 0).UTC()
	}
	return t.Round(0).UTC()
}
