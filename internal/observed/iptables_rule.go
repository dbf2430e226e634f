package observed

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

// Says compares what two rules say. The order of the options, quotes and the
// names of the modules, which follow from the options, say nothing.
func (r Rule) Says(spec string) bool {
	if r.Spec == spec {
		return true
	}
	return slices.EqualFunc(canonical(r.options()), canonical(parseOptions(spec)), func(a, b option) bool {
		return a.name == b.name && a.not == b.not && slices.Equal(a.args, b.args)
	})
}

func canonical(options []option) []option {
	options = slices.DeleteFunc(options, func(o option) bool { return o.name == "-m" })
	slices.SortStableFunc(options, func(a, b option) int { return strings.Compare(a.name, b.name) })
	return options
}

func (r Rule) isJump(to string) bool { return r.Spec == "-j "+to }

// Entry reads a rule of the iptables back end: the prefix and its end.
func (r Rule) Entry() (HostEntry, bool) {
	var e HostEntry
	var source, until bool
	for _, o := range r.options() {
		switch {
		case o.name == "-s" && !o.not && len(o.args) == 1:
			e.Prefix, source = parsePrefix(o.args[0])
		case o.name == "--comment" && len(o.args) == 1:
			e.Until, until = parseUntil(o.args[0])
		}
	}
	return e, source && until
}

func parseUntil(comment string) (time.Time, bool) {
	digits, found := strings.CutPrefix(comment, untilMark)
	seconds, err := strconv.ParseInt(digits, 10, 64)
	if !found || err != nil || seconds < 0 {
		return time.Time{}, false
	}
	if seconds == 0 {
		return time.Time{}, true
	}
	return time.Unix(seconds, 0), true
}

// option is one option of a rule with its arguments.
type option struct {
	name string
	not  bool
	args []string
}

func (r Rule) options() []option { return parseOptions(r.Spec) }

// parseOptions takes a rule apart.
func parseOptions(spec string) []option {
	var options []option
	not := false
	for spec != "" {
		var token string
		var quoted bool
		token, quoted, spec = nextToken(spec)
		switch {
		case token == "" && !quoted:
		case token == "!" && !quoted:
			not = true
		case len(token) > 1 && token[0] == '-' && !quoted:
			options = append(options, option{name: token, not: not})
			not = false
		case len(options) > 0:
			last := &options[len(options)-1]
			last.args = append(last.args, token)
		}
	}
	return options
}

// nextToken cuts one word off, which may stand in double quotes, within which
// a backslash protects the byte behind it (xtables_save_string).
func nextToken(s string) (token string, quoted bool, rest string) {
	s = strings.TrimLeft(s, " ")
	if !strings.HasPrefix(s, `"`) {
		token, rest, _ = strings.Cut(s, " ")
		return token, false, rest
	}
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] == '"':
			return b.String(), true, s[i+1:]
		case s[i] == '\\' && i+1 < len(s):
			i++
		}
		b.WriteByte(s[i])
	}
	return b.String(), true, ""
}

// target is where a rule sends its packets; "" for a rule that only counts.
func target(options []option) string {
	for _, o := range options {
		if (o.name == "-j" || o.name == "-g") && len(o.args) > 0 {
			return o.args[0]
		}
	}
	return ""
}
