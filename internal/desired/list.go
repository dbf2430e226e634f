package desired

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strings"

	"go4.org/netipx"
)

// maxListErrors is how many bad lines of a list are told; the rest are counted.
const maxListErrors = 20

// ParseList reads a list of addresses, prefixes and ranges (192.0.2.1-192.0.2.9),
// one a line, as blocklists are published: what follows # or ; is a comment, and
// lines may end in CR LF. The error joins what is wrong with single lines, as
// NAME:LINE; the prefixes are those of all others, without repeats.
func ParseList(name string, list io.Reader) ([]netip.Prefix, error) {
	var good []netip.Prefix
	var bad []error
	known := map[netip.Prefix]bool{}
	lines := bufio.NewScanner(list)
	number, wrong := 0, 0
	for lines.Scan() {
		number++
		text, _, _ := strings.Cut(lines.Text(), "#")
		text, _, _ = strings.Cut(text, ";")
		found, err := parseEntry(strings.TrimSpace(text))
		if err != nil {
			if wrong++; wrong <= maxListErrors {
				bad = append(bad, fmt.Errorf("%s:%d: %w", name, number, err))
			}
			continue
		}
		for _, p := range found {
			if !known[p] {
				known[p] = true
				good = append(good, p)
			}
		}
	}
	if wrong > maxListErrors {
		bad = append(bad, fmt.Errorf("%s: %d more lines are bad", name, wrong-maxListErrors))
	}
	if err := lines.Err(); err != nil {
		bad = append(bad, fmt.Errorf("reading %s behind line %d: %w", name, number, err))
	}
	return good, errors.Join(bad...)
}

// parseEntry reads one line of a list; an empty one is nothing.
func parseEntry(text string) ([]netip.Prefix, error) {
	if text == "" {
		return nil, nil
	}
	from, to, isRange := strings.Cut(text, "-")
	if !isRange {
		p, err := ParsePrefix(text)
		return []netip.Prefix{p}, err
	}
	r, err := netipx.ParseIPRange(strings.TrimSpace(from) + "-" + strings.TrimSpace(to))
	if err != nil {
		return nil, fmt.Errorf("%s is no range of addresses; write 203.0.113.7-203.0.113.9", quoted(text))
	}
	var all []netip.Prefix
	for _, p := range r.Prefixes() {
		canonical, err := ParsePrefix(p.String())
		if err != nil {
			return nil, fmt.Errorf("range %s: %w", quoted(text), err)
		}
		all = append(all, canonical)
	}
	return all, nil
}
