package metrics

import (
	"encoding/json"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

// named finds the metrics of ours in an expression.
var named = regexp.MustCompile(`\breconciler_[a-z0-9_]+`)

// shown gives the names of all metrics that a full state shows, with what a
// histogram adds to its name.
func shown(t *testing.T) map[string]bool {
	t.Helper()
	m := full()
	families, err := m.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for _, f := range families {
		names[f.GetName()] = true
		if f.GetType().String() == "HISTOGRAM" {
			for _, suffix := range []string{"_bucket", "_sum", "_count"} {
				names[f.GetName()+suffix] = true
			}
		}
	}
	return names
}

// expressions gives every text that stands under one of the keys, at any depth.
func expressions(v any, keys ...string) []string {
	var out []string
	switch v := v.(type) {
	case map[string]any:
		for key, inner := range v {
			text, isText := inner.(string)
			for _, k := range keys {
				if isText && k == key {
					out = append(out, text)
				}
			}
			out = append(out, expressions(inner, keys...)...)
		}
	case []any:
		for _, inner := range v {
			out = append(out, expressions(inner, keys...)...)
		}
	}
	return out
}

func unmarshalYAML(text []byte, v any) error { return yaml.Unmarshal(text, v) }

func TestEveryMetricOfTheDashboardAndTheAlertsExists(t *testing.T) {
	exist := shown(t)
	for _, c := range []struct {
		file      string
		unmarshal func([]byte, any) error
		least     int
	}{
		{"../../deploy/grafana/dashboard.json", json.Unmarshal, 15},
		{"../../deploy/grafana/alerts.yaml", unmarshalYAML, 10},
	} {
		text, err := os.ReadFile(c.file)
		if err != nil {
			t.Fatal(err)
		}
		var tree map[string]any
		if err := c.unmarshal(text, &tree); err != nil {
			t.Fatalf("%s: %v", c.file, err)
		}
		found := map[string]bool{}
		for _, e := range expressions(tree, "expr", "query", "definition") {
			for _, name := range named.FindAllString(e, -1) {
				found[name] = true
				if !exist[name] {
					t.Errorf("%s names %s in %q, and no such metric is shown", c.file, name, e)
				}
			}
		}
		if len(found) < c.least {
			t.Errorf("%s names %d metrics, want %d at least: %v", c.file, len(found), c.least, found)
		}
	}
}

func TestEveryMetricOfOursIsInTheGuide(t *testing.T) {
	guide, err := os.ReadFile("../../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	m := full()
	families, err := m.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if name := f.GetName(); strings.HasPrefix(name, namespace+"_") && !strings.Contains(string(guide), "`"+name+"`") {
			t.Errorf("docs/metrics.md does not describe %s", name)
		}
	}
}
