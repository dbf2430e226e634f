package config

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"

	"reconciler/internal/nearest"
)

// parseYAML is the layer of a YAML text: one mapping from settings to a value
// or a list of values. The tree is read, not decoded, so that each problem has
// its line and the values take the same way as those of flags.
func parseYAML(path string, data []byte) (layer, error) {
	data = bytes.TrimPrefix(data, []byte("\uFEFF")) // as editors of Windows begin a file
	file, err := parser.ParseBytes(data, 0)
	if err != nil {
		return nil, syntaxError(path, data, err)
	}
	l := layer{}
	var problems []error
	for i, doc := range file.Docs {
		switch body := doc.Body.(type) {
		case nil, *ast.CommentGroupNode, *ast.NullNode:
		case ast.MapNode:
			if i > 0 {
				problems = append(problems, fmt.Errorf("%s:%d: a second document; keep one", path, lineOf(doc.Body)))
				continue
			}
			problems = append(problems, readMapping(l, path, body))
		default:
			problems = append(problems, fmt.Errorf("%s:%d: %s", path, lineOf(body), notAMapping(lineAt(data, lineOf(body)))))
		}
	}
	return l, errors.Join(problems...)
}

func readMapping(l layer, path string, mapping ast.MapNode) error {
	var problems []error
	for entries := mapping.MapRange(); entries.Next(); {
		key, value := entries.Key(), entries.Value()
		name, line := key.GetToken().Value, lineOf(key)
		s, ok := find(name)
		if !ok {
			problems = append(problems, fmt.Errorf("%s:%d: unknown key %q; did you mean %q?", path, line, name, nearest.Word(name, names())))
			continue
		}
		// The parser sees a key twice only where both are spelt alike.
		if _, twice := l[name]; twice {
			problems = append(problems, fmt.Errorf("%s:%d: key %q is there twice; keep one", path, line, name))
			continue
		}
		values, err := s.texts(value)
		if err != nil {
			problems = append(problems, fmt.Errorf("%s:%d: %s: %w", path, line, name, err))
			continue
		}
		if words := s.mistaken(values); words != "" && s.set(&Config{}, values) != nil {
			problems = append(problems, fmt.Errorf("%s:%d: %s: %s", path, line, name, words))
			continue
		}
		l[name] = given{values, fmt.Sprintf("%s:%d: %s", path, line, name)}
	}
	return errors.Join(problems...)
}

// texts gives the values of a node as they are written.
func (s setting) texts(node ast.Node) ([]string, error) {
	sequence, ok := node.(*ast.SequenceNode)
	if !ok {
		text, err := scalar(node)
		return []string{text}, err
	}
	if !s.list {
		return nil, errors.New("is a list; it takes one value")
	}
	values := []string{}
	for _, item := range sequence.Values {
		text, err := scalar(item)
		if err != nil {
			return nil, err
		}
		values = append(values, text)
	}
	return values, nil
}

// scalar gives the text of a plain value. Numbers keep their spelling: each
// setting has its own idea of what a number is.
func scalar(node ast.Node) (string, error) {
	switch n := node.(type) {
	case *ast.StringNode:
		return n.Value, nil
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
		return n.GetToken().Value, nil
	case nil, *ast.NullNode:
		return "", errors.New("has no value; give one, or remove the key")
	}
	return "", fmt.Errorf("%s; it takes a plain value, in quotation marks where it begins with one of & * ! | > { [", kindOf(node))
}

// syntaxError says in one line what is wrong with a file that is no YAML.
func syntaxError(path string, data []byte, err error) error {
	if e, ok := errors.AsType[yaml.Error](err); ok && e.GetToken() != nil {
		line := e.GetToken().Position.Line
		return fmt.Errorf("%s:%d: %s", path, line, inWords(e.GetMessage(), lineAt(data, line)))
	}
	return fmt.Errorf("%s: not YAML: %q", path, err.Error())
}

// lineAt returns a line of a text; the first is 1.
func lineAt(data []byte, number int) string {
	lines := strings.Split(string(data), "\n")
	if number < 1 || number > len(lines) {
		return ""
	}
	return strings.TrimSuffix(lines[number-1], "\r")
}

// kindOf says what a node is, with its article.
func kindOf(node ast.Node) string {
	name := node.Type().YAMLName()
	if strings.ContainsAny(name[:1], "aeiou") {
		return "is an " + name
	}
	return "is a " + name
}

func lineOf(node ast.Node) int { return node.GetToken().Position.Line }

func names() []string {
	list := make([]string, 0, len(settings))
	for _, s := range settings {
		list = append(list, s.name)
	}
	return list
}
