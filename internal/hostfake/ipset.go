package hostfake

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
)

// set is a set of the kernel.
type set struct {
	kind    string // hash:net, hash:ip
	family  string // inet, inet6
	maxElem int
	timeout bool
	entries map[netip.Prefix]entry
}

type entry struct {
	until   time.Time // zero: permanent
	nomatch bool
}

// maxTimeout is ipset's largest timeout in seconds.
const maxTimeout = 2147483

// restoring is one run of `ipset restore`. Additions to one set, and deletions
// from one, are gathered into a message to the kernel; it is sent when a line
// for something else has been parsed, and at the end. So a line that cannot be
// parsed loses all that was gathered, and a line that the kernel refuses is
// found out later than it was read.
type restoring struct {
	fw       *Firewall
	exist    bool
	verb     string // of the lines gathered
	name     string // of their set
	gathered []entryLine
}

type entryLine struct {
	number int
	prefix netip.Prefix
	entry  entry
	timed  bool
}

func (fw *Firewall) restoreSets(text string, exist bool) string {
	r := &restoring{fw: fw, exist: exist}
	for i, line := range strings.Split(text, "\n") {
		if words := strings.Fields(line); len(words) > 0 {
			if number, complaint := r.line(i+1, words); complaint != "" {
				return fmt.Sprintf("ipset v7.17: Error in line %d: %s", number, complaint)
			}
		}
	}
	if number, complaint := r.send(); complaint != "" {
		return fmt.Sprintf("ipset v7.17: Error in line %d: %s", number, complaint)
	}
	return ""
}

const noSuchSet = "The set with the given name does not exist"

// line runs or gathers one line; number is the line that was refused.
func (r *restoring) line(number int, words []string) (refused int, complaint string) {
	if len(words) < 2 || slices.Contains([]string{"add", "del", "swap"}, words[0]) && len(words) < 3 {
		return number, "Syntax error: missing argument"
	}
	verb, name := words[0], words[1]
	if verb == "add" || verb == "del" {
		s := r.fw.sets[name]
		if s == nil {
			return number, noSuchSet
		}
		l, complaint := r.fw.parseEntry(s, words[2:])
		if complaint != "" {
			return number, complaint
		}
		if verb != r.verb || name != r.name {
			if refused, complaint := r.send(); complaint != "" {
				return refused, complaint
			}
		}
		l.number = number
		r.verb, r.name, r.gathered = verb, name, append(r.gathered, l)
		return 0, ""
	}
	if refused, complaint := r.send(); complaint != "" {
		return refused, complaint
	}
	return number, r.whole(verb, name, words[2:])
}

// send gives the kernel what was gathered, which takes it line by line.
func (r *restoring) send() (refused int, complaint string) {
	lines := r.gathered
	r.gathered = nil
	for _, l := range lines {
		if complaint := r.fw.change(r.fw.sets[r.name], r.verb == "add", l, r.exist); complaint != "" {
			return l.number, complaint
		}
	}
	return 0, ""
}

// whole runs a line that is about a set as a whole.
func (r *restoring) whole(verb, name string, words []string) string {
	if verb == "create" {
		return r.fw.create(name, words, r.exist)
	}
	s := r.fw.sets[name]
	if s == nil {
		if verb == "destroy" && r.exist {
			return ""
		}
		return noSuchSet
	}
	switch verb {
	case "flush":
		s.entries = map[netip.Prefix]entry{}
	case "destroy":
		if r.fw.inUse(name) {
			return "Set cannot be destroyed: it is in use by a kernel component"
		}
		delete(r.fw.sets, name)
	case "swap":
		other := r.fw.sets[words[0]]
		switch {
		case other == nil:
			return noSuchSet
		case other.kind != s.kind || other.family != s.family:
			return "The sets cannot be swapped: their type does not match"
		}
		r.fw.sets[name], r.fw.sets[words[0]] = other, s
	default:
		return fmt.Sprintf("Unknown argument: `%s'", verb)
	}
	return ""
}

func (fw *Firewall) create(name string, words []string, exist bool) string {
	if len(name) > 31 {
		return "Syntax error: setname '" + name + "' is longer than 31 characters"
	}
	if len(words) == 0 || words[0] != "hash:net" && words[0] != "hash:ip" {
		return "Syntax error: unknown settype"
	}
	s := &set{kind: words[0], family: "inet", maxElem: 65536, entries: map[netip.Prefix]entry{}}
	for i := 1; i+1 < len(words); i += 2 {
		switch words[i] {
		case "family":
			s.family = words[i+1]
		case "maxelem":
			s.maxElem, _ = strconv.Atoi(words[i+1])
		case "timeout":
			s.timeout = true
		default:
			return fmt.Sprintf("Unknown argument: `%s'", words[i])
		}
	}
	old := fw.sets[name]
	if old == nil {
		fw.sets[name] = s
		return ""
	}
	same := old.kind == s.kind && old.family == s.family && old.maxElem == s.maxElem && old.timeout == s.timeout
	if exist && same {
		return ""
	}
	return "Set cannot be created: set with the same name already exists"
}
