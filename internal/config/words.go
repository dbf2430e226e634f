package config

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// advice says what to write where the parser's own words are about its grammar.
// The first whose words are in the message counts.
var advice = []struct{ said, words string }{
	{"',' or ']' must be specified", "a list that begins with [ above or here is not closed; write it as [a, b] in one line"},
	{"corresponding to ']'", "a ] closes no list; write a list as [a, b]"},
	{"flow mapping", "a { is not closed; settings need no braces, only lines such as \"quota: 20\""},
	{"double-quoted text", "a quotation mark (\") is not closed; write it on both sides of the value, or on none"},
	{"single-quoted text", "a quotation mark (') is not closed; write it on both sides of the value, or on none"},
	{"block sequence entries", "a list with dashes begins on the line below its key; in one line write [a, b]"},
	{"unexpected scalar value", "a list has an empty place between two commas"},
	{"reserved character", "a value that begins with this character needs quotation marks"},
	{"unexpected directive", "a value that begins with % needs quotation marks"},
	{"value is not allowed", "this line and the one above or below it do not go together; begin each key at the start of its line, with one value or a list [a, b] behind its colon"},
	{"cannot start any token", "a character that YAML does not take; put the value in quotation marks"},
	{"invalid key", "a key that is none; write lines such as \"quota: 20\""},
}

// inWords turns the parser's message about a line into what to do about it.
func inWords(message, line string) string {
	if indent := line[:len(line)-len(strings.TrimLeft(line, " \t"))]; strings.Contains(indent, "\t") {
		return "the line begins with a tab; indent with spaces, YAML takes no tabs there"
	}
	if _, rest, twice := strings.Cut(message, `mapping key "`); twice {
		key, _, _ := strings.Cut(rest, `"`)
		return fmt.Sprintf("key %q is there twice; keep one", key)
	}
	for _, a := range advice {
		if strings.Contains(message, a.said) {
			return a.words
		}
	}
	return fmt.Sprintf("not YAML that can be read (%s); write lines such as \"quota: 20\"", message)
}

// notAMapping says why a line is no setting.
func notAMapping(line string) string {
	const words = "not a mapping; "
	name, value, _ := strings.Cut(strings.TrimSpace(line), ":")
	if s, ok := find(name); ok && value != "" {
		return fmt.Sprintf("%sput a space behind the colon: \"%s: %s\"", words, s.name, value)
	}
	name, value, found := strings.Cut(strings.TrimSpace(line), "=")
	name = strings.TrimLeft(strings.TrimSpace(name), "-")
	if s, ok := find(name); ok && found {
		return fmt.Sprintf("%swrite a colon and a space: \"%s: %s\"", words, s.name, strings.TrimSpace(value))
	}
	return words + "write lines such as \"quota: 20\""
}

// mistaken says what the writer of a value that is refused had in mind; empty:
// the refusal says it best.
func (s setting) mistaken(values []string) string {
	for _, text := range values {
		first, size := utf8.DecodeRuneInString(text)
		switch {
		case strings.ContainsRune("“”„‘’«»", first) && size > 1:
			return fmt.Sprintf("%q has typographic quotation marks; write \" or none", text)
		case s.list && strings.HasPrefix(text, "-"):
			return fmt.Sprintf("%q: put a space behind the dash: \"- %s\"", text, strings.TrimLeft(text, "- "))
		case s.list && strings.ContainsAny(text, ", "):
			// A dash alone is of a list whose lines are not indented alike.
			several := strings.FieldsFunc(strings.ReplaceAll(text, " - ", " "), func(r rune) bool { return r == ',' || r == ' ' })
			return fmt.Sprintf("%q is one value; write several as a list: %s: [%s]", text, s.name, strings.Join(several, ", "))
		}
	}
	return ""
}
