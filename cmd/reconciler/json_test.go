package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
)

// schema is a part of the JSON schema of docs/json.md. It has what that one uses
// of JSON Schema 2020-12, and no more.
type schema struct {
	Ref        string            `json:"$ref"`
	Defs       map[string]schema `json:"$defs"`
	Type       any               `json:"type"`
	Enum       []any             `json:"enum"`
	Properties map[string]schema `json:"properties"`
	Required   []string          `json:"required"`
	Additional json.RawMessage   `json:"additionalProperties"`
	Items      *schema           `json:"items"`
}

// documented reads the schema out of the page.
func documented(t *testing.T) schema {
	t.Helper()
	page, err := os.ReadFile("../../docs/json.md")
	if err != nil {
		t.Fatal(err)
	}
	_, text, _ := strings.Cut(string(page), "```json\n")
	text, _, found := strings.Cut(text, "```")
	var s schema
	if err := json.Unmarshal([]byte(text), &s); err != nil || !found {
		t.Fatalf("the schema of docs/json.md cannot be read: %v", err)
	}
	return s
}

// misfits says where a value is not as the schema has it.
func (s schema) misfits(root schema, at string, v any) (out []string) {
	if s.Ref != "" {
		return root.Defs[strings.TrimPrefix(s.Ref, "#/$defs/")].misfits(root, at, v)
	}
	if s.Enum != nil && !slices.Contains(s.Enum, v) {
		out = append(out, fmt.Sprintf("%s is %v, which is none of %v", at, v, s.Enum))
	}
	if s.Type != nil && !slices.ContainsFunc(typesOf(s.Type), func(name string) bool { return isA(name, v) }) {
		out = append(out, fmt.Sprintf("%s is %T, not %v", at, v, s.Type))
	}
	switch v := v.(type) {
	case []any:
		for i, item := range v {
			if s.Items != nil {
				out = append(out, s.Items.misfits(root, fmt.Sprintf("%s.%d", at, i), item)...)
			}
		}
	case map[string]any:
		out = append(out, s.misfitsOf(root, at, v)...)
	}
	return out
}

func (s schema) misfitsOf(root schema, at string, object map[string]any) (out []string) {
	for _, name := range s.Required {
		if _, there := object[name]; !there {
			out = append(out, at+" lacks "+name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(object)) {
		inner, known := s.Properties[name]
		if !known && string(s.Additional) == "false" {
			out = append(out, at+" has "+name+", which is not documented")
			continue
		}
		if !known && len(s.Additional) > 0 && json.Unmarshal(s.Additional, &inner) != nil {
			continue
		}
		out = append(out, inner.misfits(root, at+"."+name, object[name])...)
	}
	return out
}

func typesOf(t any) (names []string) {
	if name, ok := t.(string); ok {
		return []string{name}
	}
	list, _ := t.([]any)
	for _, name := range list {
		names = append(names, fmt.Sprint(name))
	}
	return names
}

func isA(name string, v any) bool {
	switch v := v.(type) {
	case nil:
		return name == "null"
	case string:
		return name == "string"
	case bool:
		return name == "boolean"
	case float64:
		return name == "integer" && v == float64(int64(v))
	case []any:
		return name == "array"
	}
	_, ok := v.(map[string]any)
	return ok && name == "object"
}

func TestTheJSONOfEveryCommandIsAsItsPageSays(t *testing.T) {
	t.Parallel()
	root := documented(t)
	s := newSite(t)
	s.must("ban", "--jail", "sshd", "--reason", "port scan", "203.0.113.7", "2001:db8::/48")
	s.must("ban", "--bantime", "-1", "203.0.113.8")
	held := func(name string, args ...string) {
		t.Helper()
		stdout, stderr, _ := s.run(append(args, "-o", "json")...)
		var v any
		if err := json.Unmarshal([]byte(stdout), &v); err != nil {
			t.Fatalf("`reconciler %s` writes no JSON: %v\n%s%s", name, err, stdout, stderr)
		}
		for _, misfit := range root.Properties[name].misfits(root, name, v) {
			t.Error(misfit)
		}
	}
	check := func() {
		held("plan", "plan")
		held("status", "status")
		held("status ADDR", "status", "203.0.113.7")
		held("acl", "acl")
		held("doctor", "doctor")
	}
	check()
	held("apply", "apply")
	s.start().Says(0, "enforced: health=ok")
	s.Deny("CreateNetworkAclEntry")
	s.must("ban", "203.0.113.9")
	check()
	s.Deny("DescribeNetworkAcls")
	check()
}

// The check itself must tell a good object from a bad one.
func TestTheSchemaRefusesWhatItDoesNotKnow(t *testing.T) {
	t.Parallel()
	root := documented(t)
	var v any
	text := `{"version":"1","format":"one","time":"2026-01-01T00:00:00Z","acls":[{"id":"acl-1","subnets":null,"rules":[{"owner":"me"}],"more":1}]}`
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatal(err)
	}
	got := strings.Join(root.Properties["acl"].misfits(root, "acl", v), "\n")
	for _, want := range []string{"acl lacks warnings", "acl.format is string, not integer", "subnets is <nil>, not array", "rules.0 lacks rule", "owner is me", "has more, which is not documented"} {
		if !strings.Contains(got, want) {
			t.Errorf("it does not say %q:\n%s", want, got)
		}
	}
}
