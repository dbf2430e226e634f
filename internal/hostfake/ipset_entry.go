package hostfake

import (
	"fmt"
	"maps"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// change adds or deletes one entry, as the kernel does.
func (fw *Firewall) change(s *set, add bool, l entryLine, exist bool) (complaint string) {
	switch {
	case l.prefix.Bits() == 0:
		return "The value of the CIDR parameter of the IP address is invalid"
	case add && l.timed && !s.timeout:
		return "Timeout cannot be used: set was created without timeout support"
	}
	s.expire(fw.now())
	_, there := s.entries[l.prefix]
	switch {
	case !add && !there && !exist:
		return "Element cannot be deleted from the set: it's not added"
	case add && there && !exist:
		return "Element cannot be added to the set: it's already added"
	case add && !there && len(s.entries) >= s.maxElem:
		return "Hash is full, cannot add more elements"
	}
	delete(s.entries, l.prefix)
	if add {
		s.entries[l.prefix] = l.entry
	}
	return ""
}

func (fw *Firewall) parseEntry(s *set, words []string) (l entryLine, complaint string) {
	prefix, err := netip.ParsePrefix(words[0])
	if err != nil {
		addr, err := netip.ParseAddr(words[0])
		if err != nil {
			return l, "Syntax error: cannot parse " + words[0]
		}
		prefix = netip.PrefixFrom(addr, addr.BitLen())
	}
	if prefix.Addr().Is4() != (s.family == "inet") {
		return l, "Syntax error: cannot parse " + words[0] + ": resolving failed"
	}
	l.prefix = prefix.Masked()
	for i := 1; i < len(words); i++ {
		switch words[i] {
		case "nomatch":
			l.entry.nomatch = true
		case "timeout":
			i++
			seconds, err := strconv.Atoi(strings.Join(words[i:min(i+1, len(words))], ""))
			if err != nil || seconds < 0 || seconds > maxTimeout {
				return l, fmt.Sprintf("Syntax error: '%d' is out of range 0-%d", seconds, maxTimeout)
			}
			l.timed = true
			if seconds > 0 {
				l.entry.until = fw.now().Add(time.Duration(seconds) * time.Second)
			}
		}
	}
	return l, ""
}

// expire drops what is over, as the kernel does.
func (s *set) expire(now time.Time) {
	maps.DeleteFunc(s.entries, func(_ netip.Prefix, e entry) bool { return e.over(now) })
}

func (e entry) over(now time.Time) bool { return !e.until.IsZero() && !now.Before(e.until) }

func (fw *Firewall) saveSet(name string) (out, complaint string) {
	s := fw.sets[name]
	if s == nil {
		return "", "ipset v7.17: The set with the given name does not exist"
	}
	now := fw.now()
	s.expire(now)
	const perLine = 64 // bytes, about
	text := make([]byte, 0, (len(s.entries)+2)*perLine)
	text = fmt.Appendf(text, "create %s %s family %s hashsize 1024 maxelem %d", name, s.kind, s.family, s.maxElem)
	if s.timeout {
		text = append(text, " timeout 0"...)
	}
	text = append(text, " bucketsize 12 initval 0x5eed5eed\n"...)
	for prefix, e := range s.entries { // a hash has no order either
		text = append(append(append(text, "add "...), name...), ' ')
		text = append(s.entryText(text, prefix, e, now), '\n')
	}
	return string(text), ""
}

// entryText appends an entry as `ipset save` shows it.
func (s *set) entryText(line []byte, prefix netip.Prefix, e entry, now time.Time) []byte {
	if prefix.IsSingleIP() {
		line = prefix.Addr().AppendTo(line)
	} else {
		line = prefix.AppendTo(line)
	}
	if s.timeout {
		rest := int64(0)
		if !e.until.IsZero() {
			rest = max(1, int64(e.until.Sub(now)/time.Second))
		}
		line = strconv.AppendInt(append(line, " timeout "...), rest, 10)
	}
	if e.nomatch {
		line = append(line, " nomatch"...)
	}
	return line
}
