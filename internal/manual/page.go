package manual

import (
	"bytes"
	"fmt"
	"strings"
	"time"
)

// page writes roff with the man macros.
type page struct{ b bytes.Buffer }

func newPage(name string, section int, date time.Time) *page {
	p := &page{}
	manual := map[int]string{5: "File Formats", 8: "System Administration"}[section]
	fmt.Fprintf(&p.b, ".TH %q %d %q reconciler %q\n.nh\n.ad l\n", name, section, date.Format(time.DateOnly), manual)
	return p
}

func (p *page) bytes() []byte { return p.b.Bytes() }

func (p *page) section(name string) { fmt.Fprintf(&p.b, ".SH %s\n", name) }

// line writes roff as it is.
func (p *page) line(roff string) { fmt.Fprintln(&p.b, roff) }

// text writes paragraphs. Indented ones keep their lines.
func (p *page) text(text string) {
	for i, paragraph := range strings.Split(strings.TrimSpace(text), "\n\n") {
		if i > 0 {
			p.line(".PP")
		}
		if strings.ContainsAny(paragraph[:1], " \t") {
			p.verbatim(paragraph)
			continue
		}
		p.line(escape(paragraph))
	}
}

// item writes a tag, which is roff, with its explanation below.
func (p *page) item(tag, text string) {
	if tag == "" {
		p.line(".PP")
		p.line(escape(text))
		return
	}
	if !strings.Contains(tag, `\f`) {
		tag = `\fB` + escape(tag) + `\fR`
	}
	fmt.Fprintf(&p.b, ".TP\n%s\n%s\n", tag, escape(text))
}

func (p *page) verbatim(text string) {
	fmt.Fprintf(&p.b, ".PP\n.nf\n%s\n.fi\n", escape(text))
}

func (p *page) also(pages ...string) {
	p.section("SEE ALSO")
	for i, name := range pages {
		name, section, _ := strings.Cut(name, "(")
		end := ","
		if i == len(pages)-1 {
			end = ""
		}
		p.line(`\fB` + escape(name) + `\fR(` + section + end)
	}
}

// escape makes text that roff prints as it is: a backslash, and a dot or an
// apostrophe that begins a line, would be commands, and a dash a hyphen.
func escape(text string) string {
	text = strings.NewReplacer(`\`, `\e`, "-", `\-`).Replace(text)
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		if line != "" && strings.ContainsAny(line[:1], ".'") {
			lines[i] = `\&` + line
		}
	}
	return strings.Join(lines, "\n")
}
