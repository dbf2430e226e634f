package observed

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"reconciler/internal/tool"
)

// MaxTimeout is the longest timeout of a set's entry: the kernel keeps it as
// milliseconds in 32 bits (ipset(8), "timeout"). A longer ban gets this one
// and is refreshed.
const MaxTimeout = 2147483 * time.Second

// IPSet is one set of the kernel as `ipset save` shows it.
type IPSet struct {
	Name    string
	Exists  bool
	Type    string         // hash:net is ours
	Family  string         // inet or inet6
	Timeout bool           // its entries may have timeouts
	MaxElem int            // most entries
	Entries []HostEntry    // sorted by prefix, no prefix twice
	Exempt  []netip.Prefix // entries marked nomatch: they are let through
	Other   int            // entries that are not an address or a prefix of this family
}

// Set reads the set of that name. A set that does not exist is no error.
func (r HostReader) Set(ctx context.Context, name string, now time.Time) (IPSet, error) {
	out, err := r.Run.Run(ctx, nil, "ipset", "save", name)
	if errors.Is(err, tool.ErrNoSuchSet) {
		return IPSet{Name: name}, nil
	}
	if err != nil {
		return IPSet{}, fmt.Errorf("reading the set %s: %w", name, err)
	}
	set := ParseIPSet(out, name, now)
	if !set.Exists {
		return IPSet{}, fmt.Errorf("reading the set %s: ipset said nothing of it; see what `ipset save %s` prints", name, name)
	}
	return set, nil
}

// ParseIPSet reads the output of `ipset save` for one set. The kernel tells
// what is left of a timeout in whole seconds, cut off, and never less than 1.
// Lines it does not understand are passed over, or counted in Other.
func ParseIPSet(out []byte, name string, now time.Time) IPSet {
	set := IPSet{Name: name}
	text := string(out) // one copy; all that follows are slices of it
	set.Entries = make([]HostEntry, 0, strings.Count(text, "\n"))
	for text != "" {
		var line string
		line, text, _ = strings.Cut(text, "\n")
		verb, rest := word(line)
		subject, rest := word(rest)
		switch {
		case subject != name:
		case verb == "create":
			set.header(rest)
		case verb == "add":
			set.entry(rest, now)
		}
	}
	set.Entries = sortEntries(set.Entries)
	slices.SortFunc(set.Exempt, Compare)
	return set
}

// sortEntries sorts by prefix and keeps of each prefix the latest end.
func sortEntries(entries []HostEntry) []HostEntry {
	slices.SortFunc(entries, func(a, b HostEntry) int {
		if order := Compare(a.Prefix, b.Prefix); order != 0 {
			return order
		}
		return compareEnds(b.Until, a.Until)
	})
	return slices.CompactFunc(entries, func(a, b HostEntry) bool { return a.Prefix == b.Prefix })
}

// compareEnds orders two ends, where the zero time is never.
func compareEnds(a, b time.Time) int {
	if a.IsZero() || b.IsZero() {
		return boolToInt(a.IsZero()) - boolToInt(b.IsZero())
	}
	return a.Compare(b)
}

func boolToInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

// word cuts the first word off a line.
func word(line string) (first, rest string) {
	line = strings.TrimLeft(line, " ")
	first, rest, _ = strings.Cut(line, " ")
	return first, rest
}

func (s *IPSet) header(rest string) {
	s.Exists = true
	s.Type, rest = word(rest)
	for rest != "" {
		var key, value string
		key, rest = word(rest)
		switch key {
		case "family":
			s.Family, rest = word(rest)
		case "maxelem":
			value, rest = word(rest)
			s.MaxElem, _ = strconv.Atoi(value) // 0, and thus too small, when it is no number
		case "timeout":
			s.Timeout = true
		}
	}
}

func (s *IPSet) entry(rest string, now time.Time) {
	text, rest := word(rest)
	prefix, ok := parsePrefix(text)
	if !ok || s.Family != setFamily(FamilyOf(prefix)) {
		s.Other++
		return
	}
	var until time.Time
	for rest != "" {
		var key, value string
		key, rest = word(rest)
		switch key {
		case "timeout":
			value, rest = word(rest)
			if seconds, err := strconv.ParseInt(value, 10, 32); err == nil && seconds > 0 {
				until = now.Add(time.Duration(seconds) * time.Second)
			}
		case "nomatch":
			s.Exempt = append(s.Exempt, prefix)
			return
		case "comment":
			rest = "" // free text to the end of the line
		}
	}
	s.Entries = append(s.Entries, HostEntry{Prefix: prefix, Until: until})
}

// parsePrefix reads an address or a prefix and masks it.
func parsePrefix(text string) (netip.Prefix, bool) {
	if strings.IndexByte(text, '/') < 0 {
		addr, err := netip.ParseAddr(text)
		if err != nil || addr.Zone() != "" {
			return netip.Prefix{}, false
		}
		return netip.PrefixFrom(addr, addr.BitLen()), true
	}
	prefix, err := netip.ParsePrefix(text)
	return prefix.Masked(), err == nil
}

// SameType says that the set is of the type and family of ours, so that one
// can be swapped for the other.
func (s IPSet) SameType(f Family) bool {
	return s.Type == "hash:net" && s.Family == setFamily(f)
}

// Defects tells in words what keeps the set from doing our work.
func (s IPSet) Defects(f Family, spec HostSpec) []string {
	if !s.Exists {
		return []string{fmt.Sprintf("the set %s is missing", s.Name)}
	}
	var defects []string
	add := func(format string, args ...any) {
		defects = append(defects, fmt.Sprintf("the set %s ", s.Name)+fmt.Sprintf(format, args...))
	}
	switch {
	case !s.SameType(f):
		add("is of type %s for %s, not hash:net for %s", s.Type, s.Family, setFamily(f))
	case !s.Timeout:
		add("was made without timeouts")
	case s.MaxElem < spec.MaxEntries:
		add("holds only %d entries, not %d", s.MaxElem, spec.MaxEntries)
	}
	for _, prefix := range s.Exempt {
		add("lets %s through (nomatch)", prefix)
	}
	return defects
}

// Usable says that the set is of the right make, whatever it holds.
func (s IPSet) Usable(f Family, spec HostSpec) bool {
	return s.Exists && s.SameType(f) && s.Timeout && s.MaxElem >= spec.MaxEntries
}
