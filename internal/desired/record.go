package desired

import (
	"net/netip"
	"strconv"
	"time"
	"unicode"
	"unicode/utf8"
)

// Op is what a record asks for.
type Op string

// The operations of the log.
const (
	OpBan     Op = "ban"
	OpUnban   Op = "unban"
	OpFlush   Op = "flush"   // clear a jail, after a delay that a stop or start can cancel
	OpStart   Op = "start"   // fail2ban started a jail
	OpStop    Op = "stop"    // fail2ban stopped a jail
	OpPause   Op = "pause"   // enforce nothing
	OpResume  Op = "resume"  // enforce again
	OpConfirm Op = "confirm" // let withheld removals through
	// OpAllow keeps a prefix from being banned on this host, and OpDisallow takes
	// that back.
	OpAllow    Op = "allow"
	OpDisallow Op = "disallow"
	OpSeen     Op = "seen" // a mark that says nothing about bans: compaction begins with one
)

// ManualJail is the jail of a ban that names none.
const ManualJail = "manual"

// Record is one line of the log.
type Record struct {
	Op       Op
	Prefix   netip.Prefix  // canonical; of a ban, an unban, an allow or a disallow
	Jail     string        // empty: the line names none
	Host     string        // empty: the line names none
	Time     time.Time     // zero: the line has none, and the time of reading counts
	Bantime  int64         // seconds, or Permanent; of a ban, where 0 is over at once, and how long an allow is for
	Defer    time.Duration // whole seconds until a flush takes effect
	Reason   string        // free text, foreign: escape it before it is shown
	BanCount int           // how often the address was banned, as the writer knows it
	Restored bool          // a replay of an earlier ban, after a restart of its writer
	Written  time.Time     // when a restored ban was written; zero: not told
	ID       ID
}

// takesPrefix reports whether records of the kind are about a prefix.
func (op Op) takesPrefix() bool {
	return op == OpBan || op == OpUnban || op == OpAllow || op == OpDisallow
}

// AppendJSON appends the record as one line of JSON without the newline. Every
// byte of text that a terminal could act on is escaped.
func (r Record) AppendJSON(dst []byte) []byte {
	dst = append(dst, `{"op":`...)
	dst = appendText(dst, string(r.Op))
	if r.Prefix.IsValid() {
		dst = append(dst, `,"ip":"`...)
		dst = appendPrefix(dst, r.Prefix)
		dst = append(dst, '"')
	}
	dst = appendTextField(dst, "jail", r.Jail)
	dst = appendTextField(dst, "host", r.Host)
	dst = appendTimeField(dst, "time", r.Time)
	switch {
	case r.Op == OpBan:
		dst = appendIntField(dst, "bantime", r.Bantime)
	case r.Op == OpAllow && r.Bantime >= 0:
		dst = appendIntField(dst, "for", r.Bantime)
	}
	if r.Defer > 0 {
		dst = appendIntField(dst, "defer", int64(r.Defer/time.Second))
	}
	dst = appendTextField(dst, "reason", r.Reason)
	if r.BanCount > 0 {
		dst = appendIntField(dst, "bancount", int64(r.BanCount))
	}
	if r.Restored {
		dst = append(dst, `,"restored":true`...)
		dst = appendTimeField(dst, "written", r.Written)
	}
	dst = appendTextField(dst, "id", string(r.ID))
	return append(dst, '}')
}

// Until returns the end of a ban or an allow that began at from; zero is permanent. So is an
// end past the year 9999.
func (r Record) Until(from time.Time) time.Time {
	if r.Bantime < 0 || r.Bantime > maxUnix-from.Unix() {
		return time.Time{}
	}
	return time.Unix(from.Unix()+r.Bantime, int64(from.Nanosecond())).UTC()
}

// appendPrefix writes a single address without its length, as fail2ban does.
func appendPrefix(dst []byte, p netip.Prefix) []byte {
	if p.IsSingleIP() {
		return p.Addr().AppendTo(dst)
	}
	return p.AppendTo(dst)
}

func appendTextField(dst []byte, name, text string) []byte {
	if text == "" {
		return dst
	}
	return appendText(appendName(dst, name), text)
}

func appendIntField(dst []byte, name string, n int64) []byte {
	return strconv.AppendInt(appendName(dst, name), n, 10)
}

func appendTimeField(dst []byte, name string, t time.Time) []byte {
	if t.IsZero() {
		return dst
	}
	return appendUnix(appendName(dst, name), t)
}

func appendName(dst []byte, name string) []byte {
	dst = append(dst, ',', '"')
	dst = append(dst, name...)
	return append(dst, '"', ':')
}

// appendUnix writes Unix seconds, with a fraction only where there is one.
func appendUnix(dst []byte, t time.Time) []byte {
	dst = strconv.AppendInt(dst, t.Unix(), 10)
	nanos := t.Nanosecond()
	if nanos == 0 {
		return dst
	}
	dst = append(dst, '.')
	for unit := 100_000_000; nanos > 0; unit /= 10 {
		dst = append(dst, byte('0'+nanos/unit))
		nanos %= unit
	}
	return dst
}

// appendText writes a JSON string. What is not printable is escaped, so that
// showing the log on a terminal is safe; invalid UTF-8 becomes U+FFFD.
func appendText(dst []byte, text string) []byte {
	dst = append(dst, '"')
	for i := 0; i < len(text); {
		if c := text[i]; c >= ' ' && c < utf8.RuneSelf && c != '"' && c != '\\' && c != 0x7f {
			dst = append(dst, c)
			i++
			continue
		}
		r, size := utf8.DecodeRuneInString(text[i:])
		dst = appendRune(dst, r)
		i += size
	}
	return append(dst, '"')
}

func appendRune(dst []byte, r rune) []byte {
	switch {
	case r == '"' || r == '\\':
		return append(dst, '\\', byte(r))
	case unicode.IsPrint(r):
		return utf8.AppendRune(dst, r)
	case r > 0xffff:
		r -= 0x10000
		dst = appendEscape(dst, 0xd800+r>>10)
		return appendEscape(dst, 0xdc00+r&0x3ff)
	}
	return appendEscape(dst, r)
}

func appendEscape(dst []byte, unit rune) []byte {
	const hex = "0123456789abcdef"
	return append(dst, '\\', 'u', hex[unit>>12&15], hex[unit>>8&15], hex[unit>>4&15], hex[unit&15])
}
