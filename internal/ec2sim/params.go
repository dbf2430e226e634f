package ec2sim

import (
	"fmt"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"sync"
)

// params reads the parameters of one request. The first refusal sticks, and a
// parameter that nobody asked for is refused at the end.
type params struct {
	form url.Values
	used map[string]bool
	err  *apiError
}

// newParams counts the parameters that lead to an action as read.
func newParams(form url.Values) *params {
	return &params{form: form, used: map[string]bool{"Action": true, "Version": true}}
}

func (p *params) fail(err *apiError) {
	if p.err == nil {
		p.err = err
	}
}

// get reads an optional parameter.
func (p *params) get(name string) (string, bool) {
	p.used[name] = true
	v, ok := p.form[name]
	if !ok {
		return "", false
	}
	return v[0], true
}

// require reads a parameter that must be there and not be empty.
func (p *params) require(name string) string {
	v, ok := p.get(name)
	if !ok || v == "" {
		p.fail(missing(name))
	}
	return v
}

// number reads an integer in plain decimal: no sign but a minus, no zeros
// before it.
func (p *params) number(name string) (int, bool) {
	v, ok := p.get(name)
	if !ok {
		return 0, false
	}
	n, err := strconv.ParseInt(v, 10, 32)
	if err != nil || strconv.FormatInt(n, 10) != v {
		p.fail(badValue(v, name, "It is not an integer."))
	}
	return int(n), true
}

func (p *params) requireNumber(name string) int {
	n, ok := p.number(name)
	if !ok {
		p.fail(missing(name))
	}
	return n
}

// flag reads a boolean in the one spelling that XML and the SDK share.
func (p *params) flag(name string) (value, given bool) {
	v, ok := p.get(name)
	if !ok {
		return false, false
	}
	if v != "true" && v != "false" {
		p.fail(badValue(v, name, "It must be true or false."))
	}
	return v == "true", true
}

func (p *params) requireFlag(name string) bool {
	v, ok := p.flag(name)
	if !ok {
		p.fail(missing(name))
	}
	return v
}

// list reads NAME.1, NAME.2 and so on. What follows a gap is left over, and so
// refused.
func (p *params) list(name string) []string {
	var out []string
	for i := 1; ; i++ {
		v, ok := p.get(name + "." + strconv.Itoa(i))
		if !ok {
			return out
		}
		out = append(out, v)
	}
}

// has says that some parameter starts with the given text.
func (p *params) has(prefix string) bool {
	for name := range p.form {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}

// id checks the form of an identifier: 8 or 17 hexadecimal digits after the
// kind.
func (p *params) id(v, kind, code string) string {
	rest, ok := strings.CutPrefix(v, kind+"-")
	if !ok || !idDigits().MatchString(rest) {
		p.fail(refuse(code, "Invalid id: \"%s\" (expecting \"%s-...\")", v, kind))
	}
	return v
}

var idDigits = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^([0-9a-f]{8}|[0-9a-f]{17})$`) })

func (p *params) requireACL() string {
	v := p.require("NetworkAclId")
	if p.err != nil {
		return v
	}
	return p.id(v, "acl", "InvalidNetworkAclID.Malformed")
}

// tagList reads PREFIX.N.Key and PREFIX.N.Value.
func (p *params) tagList(prefix string) []tagParam {
	var out []tagParam
	for i := 1; p.err == nil; i++ {
		at := fmt.Sprintf("%s.%d.", prefix, i)
		if !p.has(at) {
			break
		}
		var t tagParam
		t.key, _ = p.get(at + "Key")
		t.value, t.hasValue = p.get(at + "Value")
		if err := checkTag(t); err != nil {
			p.fail(err)
		}
		out = append(out, t)
	}
	return out
}

// finish gives the first refusal, also that of a parameter nobody asked for.
func (p *params) finish() *apiError {
	if p.err != nil {
		return p.err
	}
	unknown := ""
	for name := range p.form {
		if !p.used[name] && (unknown == "" || name < unknown) {
			unknown = name
		}
	}
	if unknown != "" {
		return refuse(codeUnknown, "The parameter %s is not recognized", unknown)
	}
	return nil
}
