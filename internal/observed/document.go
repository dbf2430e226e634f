package observed

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"unicode/utf8"

	"reconciler/internal/nearest"
)

// document is JSON that somebody may have written by hand, so that what is
// wrong with it is told with its place.
type document []byte

// node is one value with the offset at which it begins. Its value is nil, a
// bool, a json.Number, a string, a []node or a []member.
type node struct {
	at    int64
	value any
}

// member is one key of an object.
type member struct {
	at  int64
	key string
	node
}

// maxNesting is far deeper than any output of the EC2 API.
const maxNesting = 64

func (d document) fail(at int64, format string, args ...any) error {
	before := d[:max(0, min(at, int64(len(d))))]
	line := 1 + bytes.Count(before, []byte("\n"))
	column := 1 + utf8.RuneCount(before[1+bytes.LastIndexByte(before, '\n'):])
	return fmt.Errorf("line %d, column %d: %w", line, column, fmt.Errorf(format, args...))
}

// parse reads the one value that the document is.
func (d document) parse() (node, error) {
	in := json.NewDecoder(bytes.NewReader(d))
	in.UseNumber()
	root, err := d.value(in, 0)
	if err != nil {
		return node{}, err
	}
	end := in.InputOffset()
	if _, err := in.Token(); !errors.Is(err, io.EOF) {
		return node{}, d.fail(d.next(end), "something follows the end of the JSON value; the file must hold one value alone")
	}
	return root, nil
}

// next gives where the next token begins.
func (d document) next(at int64) int64 {
	for at < int64(len(d)) && bytes.IndexByte([]byte(" \t\r\n,:"), d[at]) >= 0 {
		at++
	}
	return at
}

func (d document) token(in *json.Decoder) (json.Token, int64, error) {
	at := d.next(in.InputOffset())
	token, err := in.Token()
	if _, ok := errors.AsType[*json.SyntaxError](err); ok {
		return nil, at, d.fail(at, "%w", err)
	}
	if err != nil {
		return nil, at, d.fail(int64(len(d)), "it is no JSON, or ends too early: %w", err)
	}
	return token, at, nil
}

func (d document) value(in *json.Decoder, depth int) (node, error) {
	token, at, err := d.token(in)
	if err != nil {
		return node{}, err
	}
	if depth > maxNesting {
		return node{}, d.fail(at, "it is nested too deeply")
	}
	n := node{at: at, value: token}
	switch token {
	case json.Delim('['):
		n.value, err = d.list(in, depth)
	case json.Delim('{'):
		n.value, err = d.object(in, depth)
	}
	return n, err
}

func (d document) list(in *json.Decoder, depth int) ([]node, error) {
	list := []node{}
	for in.More() {
		n, err := d.value(in, depth+1)
		if err != nil {
			return nil, err
		}
		list = append(list, n)
	}
	_, _, err := d.token(in) // the bracket
	return list, err
}

func (d document) object(in *json.Decoder, depth int) ([]member, error) {
	object := []member{}
	for in.More() {
		key, at, err := d.token(in)
		if err != nil {
			return nil, err
		}
		name, _ := key.(string) // the decoder takes no other key
		if slices.ContainsFunc(object, func(m member) bool { return m.key == name }) {
			return nil, d.fail(at, "the key %q is there twice", name)
		}
		n, err := d.value(in, depth+1)
		if err != nil {
			return nil, err
		}
		object = append(object, member{at, name, n})
	}
	_, _, err := d.token(in) // the brace
	return object, err
}

// fields are the keys of one object that are known.
type fields struct {
	doc  document
	at   int64
	what string
	by   map[string]node
}

// ours reads an object of a form of our own: every key must be known.
func (d document) ours(n node, what string, known ...string) (fields, error) {
	return d.fields(n, what, func(m member) error {
		return d.fail(m.at, "unknown key %q in %s; did you mean %q?", m.key, what, nearest.Word(m.key, known))
	}, known)
}

// theirs reads an object of the EC2 API. It may have keys that we do not know,
// but none that looks like a known one which is not there.
func (d document) theirs(n node, what string, known ...string) (fields, error) {
	const typo = 2 // edits
	return d.fields(n, what, func(m member) error {
		members, _ := n.value.([]member)
		missing := slices.DeleteFunc(slices.Clone(known), func(k string) bool {
			return slices.ContainsFunc(members, func(m member) bool { return m.key == k })
		})
		if word := nearest.Word(m.key, missing); word != "" && nearest.Edits(m.key, word) <= typo {
			return d.fail(m.at, "unknown key %q in %s; did you mean %q?", m.key, what, word)
		}
		return nil
	}, known)
}

func (d document) fields(n node, what string, unknown func(member) error, known []string) (fields, error) {
	members, ok := n.value.([]member)
	if !ok {
		return fields{}, d.fail(n.at, "%s must be an object, and is %s", what, kindOf(n))
	}
	f := fields{doc: d, at: n.at, what: what, by: map[string]node{}}
	for _, m := range members {
		if !slices.Contains(known, m.key) {
			if err := unknown(m); err != nil {
				return fields{}, err
			}
			continue
		}
		if m.value != nil { // null says nothing
			f.by[m.key] = m.node
		}
	}
	return f, nil
}

// need gives fields that must be there.
func (f fields) need(keys ...string) error {
	for _, key := range keys {
		if _, ok := f.by[key]; !ok {
			return f.doc.fail(f.at, "%s lacks %q", f.what, key)
		}
	}
	return nil
}

// field gives a field of one kind; the zero value when it is not there.
func field[T any](f fields, key string) (value T, there bool, err error) {
	n, there := f.by[key]
	if !there {
		return value, false, nil
	}
	value, ok := n.value.(T)
	if !ok {
		return value, true, f.doc.fail(n.at, "%q of %s must be %s, and is %s", key, f.what, kindOf(node{value: value}), kindOf(n))
	}
	return value, true, nil
}

func kindOf(n node) string {
	switch n.value.(type) {
	case nil:
		return "null"
	case bool:
		return "true or false"
	case json.Number:
		return "a number"
	case string:
		return "a string"
	case []node:
		return "a list"
	}
	return "an object"
}

// number gives a whole number within a range; nil when it is not there.
func (f fields) number(key string, low, high int64) (*int32, error) {
	text, there, err := field[json.Number](f, key)
	if err != nil || !there {
		return nil, err
	}
	n, err := text.Int64()
	if err != nil || n < low || n > high {
		return nil, f.doc.fail(f.by[key].at, "%q of %s is %s; it is a whole number from %d to %d", key, f.what, text, low, high)
	}
	small := int32(n) // the callers' ranges fit
	return &small, nil
}
