package desired

import (
	"fmt"
	"slices"
	"strings"
)

// remarks are what was said of the first record each of whose fields was out of
// range: others are taken in the same way, and need no words of their own.
type remarks []remark

type remark struct{ field, words string }

// take takes what the parser or the fold said of the line at a place. Each remark
// begins with the field that it is about.
func (r *remarks) take(place LineError, said []string) {
	for _, words := range said {
		field, _, _ := strings.Cut(words, " ")
		field = strings.TrimSuffix(field, ":")
		if !slices.ContainsFunc(*r, func(known remark) bool { return known.field == field }) {
			*r = append(*r, remark{field, fmt.Sprintf("%s: %s", place.where(), words)})
		}
	}
}

// where gives the place; a line 0 is the file as a whole.
func (e LineError) where() string {
	if e.Line == 0 {
		return e.Source
	}
	return fmt.Sprintf("%s:%d", e.Source, e.Line)
}

// appendTo adds the words to warnings.
func (r remarks) appendTo(warnings []string) []string {
	for _, known := range r {
		warnings = append(warnings, known.words)
	}
	return warnings
}
