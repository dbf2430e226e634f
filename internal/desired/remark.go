package desired

import "fmt"

// remark keeps what was said of the first record whose attributes were out of
// range: others are taken in the same way, and need no words of their own.
type remark string

// take takes what the parser said of the line that it read last.
func (r *remark) take(place LineError, p *Parser) {
	if words := p.Remarks(); words != "" && *r == "" {
		*r = remark(fmt.Sprintf("%s:%d: %s", place.Source, place.Line, words))
	}
}

// appendTo adds the words, where there are any, to warnings.
func (r remark) appendTo(warnings []string) []string {
	if r == "" {
		return warnings
	}
	return append(warnings, string(r))
}
