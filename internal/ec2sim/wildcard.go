package ec2sim

// glyph is one element of a pattern.
type glyph struct {
	kind byte // '*', '?' or 0 for a byte that stands for itself
	b    byte
}

// glyphs reads EC2's patterns: * for any text, ? for one byte, and a backslash
// before a character that stands for itself.
func glyphs(pattern string) []glyph {
	var out []glyph
	for i := 0; i < len(pattern); i++ {
		switch c := pattern[i]; {
		case c == '*' || c == '?':
			out = append(out, glyph{kind: c})
		case c == '\\' && i+1 < len(pattern):
			i++
			out = append(out, glyph{b: pattern[i]})
		default:
			out = append(out, glyph{b: c})
		}
	}
	return out
}

// wildcard says whether all of s matches the pattern. It goes back to the last
// star alone, so its cost is at most the product of the two lengths.
func wildcard(pattern, s string) bool {
	p := glyphs(pattern)
	at, star, from := 0, -1, 0
	for i := 0; i < len(s); {
		switch {
		case at < len(p) && p[at].kind == '*':
			star, from = at, i
			at++
		case at < len(p) && (p[at].kind == '?' || p[at].kind == 0 && p[at].b == s[i]):
			at++
			i++
		case star >= 0:
			from++
			at, i = star+1, from
		default:
			return false
		}
	}
	for at < len(p) && p[at].kind == '*' {
		at++
	}
	return at == len(p)
}
