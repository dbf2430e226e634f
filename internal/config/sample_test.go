package config

import (
	"bytes"
	"flag"
	"os"
	"regexp"
	"testing"
)

var update = flag.Bool("update", false, "write deploy/config.yaml anew")

const shipped = "../../deploy/config.yaml"

func TestTheSampleHoldsEveryKeyWithItsDefault(t *testing.T) {
	want := mustLoad(t, nil, nil, "")
	compare(t, want, mustLoad(t, nil, nil, string(Sample())))

	active := regexp.MustCompile(`(?m)^#(\S)`).ReplaceAll(Sample(), []byte("$1"))
	compare(t, want, mustLoad(t, nil, nil, string(active)))
	l, err := parseYAML("sample", active)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range settings {
		if _, ok := l[s.name]; !ok {
			t.Errorf("the sample leaves out %s", s.name)
		}
	}
}

func TestTheShippedFileIsTheSample(t *testing.T) {
	if *update {
		if err := os.WriteFile(shipped, Sample(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(shipped)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, Sample()) {
		t.Error("deploy/config.yaml is out of date; run: go test ./internal/config -run Shipped -update")
	}
}
