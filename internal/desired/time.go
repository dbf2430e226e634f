package desired

import (
	"fmt"
	"strings"
	"time"
)

// ParseTime reads a time as people and fail2ban write it: Unix seconds, whole
// or with a fraction, or RFC 3339.
func ParseTime(text string) (time.Time, error) {
	parse := parseUnix
	if strings.ContainsAny(text, "-T:") && !strings.HasPrefix(text, "-") {
		parse = parseStamp
	}
	t, err := parse(text)
	if err != nil {
		return time.Time{}, fmt.Errorf("%w; it takes Unix seconds such as 1795331997, or 2026-11-22T08:39:57Z", err)
	}
	return t, nil
}
