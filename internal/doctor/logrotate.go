package doctor

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
)

// logrotate looks for a rule that would rename or cut a log of ours.
func (e *examination) logrotate() {
	files, err := filepath.Glob(e.Root + "/etc/logrotate.d/*")
	if err != nil {
		return // the pattern is ours and valid
	}
	files = append(files, e.Root+"/etc/logrotate.conf")
	found := false
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil || strings.HasSuffix(file, disabled) {
			continue // not there, not readable by this user, or not read by logrotate
		}
		found = e.rotates(strings.TrimPrefix(file, e.Root), rotated(text)) || found
	}
	if !found {
		e.ok("logrotate", "no rule of logrotate touches the log")
	}
}

// rotates says that a file of logrotate has a rule for a log of ours.
func (e *examination) rotates(file string, rules [][]string) bool {
	found := false
	for _, rule := range rules {
		for _, pattern := range rule {
			for _, log := range e.Config.State {
				if hit, err := filepath.Match(pattern, log); err == nil && hit {
					found = true
					e.warn("logrotate", unrotate(file, pattern, rules),
						"%s rotates %s: the log compacts itself, and a rotation looks like a lost log", file, log)
				}
			}
		}
	}
	return found
}

// disabled is an ending that logrotate passes over (logrotate(8), "tabooext").
const disabled = ".disabled"

// special are the characters that a basic regular expression gives a meaning,
// and the # that ends the expressions of unrotate.
var special = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`[][\\.*^$#]`) })

// unrotate gives the command that takes a pattern out of a file. A rule must
// not be left without any: logrotate would then refuse the file.
func unrotate(file, pattern string, rules [][]string) string {
	alone := slices.ContainsFunc(rules, func(rule []string) bool { return len(rule) == 1 && rule[0] == pattern })
	switch {
	case alone && len(rules) == 1:
		return fmt.Sprintf("mv %[1]s %[1]s%s", file, disabled)
	case alone || strings.ContainsAny(pattern, "'"):
		return "${EDITOR:-vi} " + file
	}
	const begin, end = `\(^\|[[:space:]]\)["\x27]*`, `["\x27]*\([[:space:]{]\|$\)`
	return fmt.Sprintf(`sed -i 's#%s%s%s#\1\2#' %s`, begin, special().ReplaceAllString(pattern, `\$0`), end, file)
}

// rotated gives the rules of a logrotate file: the patterns before each brace
// (logrotate(8)). Quotes are taken off.
func rotated(text []byte) [][]string {
	var rules [][]string
	var patterns []string
	depth := 0
	lines := bufio.NewScanner(bytes.NewReader(text))
	for lines.Scan() {
		line, _, _ := strings.Cut(lines.Text(), "#")
		for _, word := range strings.Fields(strings.NewReplacer("{", " { ", "}", " } ").Replace(line)) {
			switch {
			case word == "{":
				if depth++; depth == 1 {
					rules, patterns = append(rules, patterns), nil
				}
			case word == "}":
				depth--
			case depth == 0 && strings.HasPrefix(strings.Trim(word, `"'`), "/"):
				patterns = append(patterns, strings.Trim(word, `"'`))
			}
		}
	}
	return rules
}
