package desired

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Bantimes with a meaning of their own, in seconds.
const (
	Permanent      int64 = -1
	DefaultBantime int64 = 3600
)

// ErrBantime is the cause when a bantime cannot be read.
var ErrBantime = errors.New("write seconds (3600), a duration (1h, 7d, 1d12h, 1mo) or -1 for permanent")

const (
	day  = 86400.0
	year = 365.25 * day
)

// bantimeUnit returns the length in seconds of a unit as fail2ban writes it
// (server/mytime.py, str2seconds); 0 is no unit.
func bantimeUnit(name string) float64 {
	switch strings.ToLower(name) {
	case "", "s", "ss", "se", "sec", "second", "seconds":
		return 1
	case "m", "mm", "mi", "min", "minute", "minutes":
		return 60
	case "h", "hh", "ho", "hou", "hour", "hours":
		return 3600
	case "d", "dd", "da", "day", "days":
		return day
	case "w", "ww", "we", "wee", "week", "weeks":
		return 7 * day
	case "mo", "mon", "month", "months":
		return year / 12
	case "y", "yy", "ye", "yea", "year", "years":
		return year
	}
	return 0
}

// ParseBantime reads a duration as people and fail2ban write it: seconds
// (3600, 7243.53), amounts with units that add up (90s, 1h30m, 1d 12h, 0.5d,
// 1mo), or -1 for permanent. It returns seconds; a fraction is rounded up, so that
// no ban ends early. One below 0 or beyond all years is Permanent, and the remark
// says so: fail2ban's growing bantimes get there, and such a ban is wanted most.
func ParseBantime(text string) (seconds int64, remark string, err error) {
	if n, err := strconv.ParseFloat(text, 64); err == nil && strings.Trim(text, "0123456789.-+eE") == "" || errors.Is(err, strconv.ErrRange) {
		if n == float64(Permanent) {
			return Permanent, "", nil
		}
		return wholeSeconds(text, n)
	}
	total := 0.0
	rest := strings.TrimSpace(text)
	if rest == "" {
		return 0, "", fmt.Errorf("bantime %s is not understood; %w", quoted(text), ErrBantime)
	}
	for rest != "" {
		digits := len(rest) - len(strings.TrimLeft(rest, "0123456789."))
		amount, err := strconv.ParseFloat(rest[:digits], 64)
		if err != nil && !errors.Is(err, strconv.ErrRange) {
			return 0, "", fmt.Errorf("bantime %s is not understood; %w", quoted(text), ErrBantime)
		}
		rest = strings.TrimLeft(rest[digits:], " ")
		letters := strings.IndexAny(rest, "0123456789. ")
		if letters < 0 {
			letters = len(rest)
		}
		unit := bantimeUnit(rest[:letters])
		if unit == 0 {
			return 0, "", fmt.Errorf("bantime %s is not understood; %w", quoted(text), ErrBantime)
		}
		total += amount * unit
		rest = strings.TrimLeft(rest[letters:], " ")
	}
	return wholeSeconds(text, total)
}

// wholeSeconds rounds up what a bantime came to, and takes what is out of range
// for permanent.
func wholeSeconds(text string, seconds float64) (int64, string, error) {
	if seconds < 0 || seconds > maxUnix {
		return Permanent, fmt.Sprintf("bantime %s is out of range, and the ban is taken as permanent", quoted(text)), nil
	}
	return int64(math.Ceil(seconds)), "", nil
}
