package config

import "testing"

func TestMetricsAreServedOnOneNamedAddressOnly(t *testing.T) {
	for text, want := range map[string]string{
		"off": "", "127.0.0.1:9477": "127.0.0.1:9477", "[::1]:9477": "[::1]:9477", "10.0.1.7:80": "10.0.1.7:80",
	} {
		if got, err := parseMetrics(text); err != nil || got != want {
			t.Errorf("parseMetrics(%q) = %q, %v, want %q", text, got, err, want)
		}
	}
	for _, text := range []string{"", ":9477", "9477", "localhost:9477", "0.0.0.0:9477", "[::]:9477", "127.0.0.1", "127.0.0.1:0", "127.0.0.1:70000", "::1:9477"} {
		if got, err := parseMetrics(text); err == nil {
			t.Errorf("parseMetrics(%q) = %q, want an error", text, got)
		}
	}
}

func TestMetricsAreOffByDefault(t *testing.T) {
	if c := mustLoad(t, nil, nil, ""); c.Metrics != "" {
		t.Errorf("metrics are served on %q by default, want nowhere", c.Metrics)
	}
}
