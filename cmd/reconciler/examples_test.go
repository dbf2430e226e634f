package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files anew")

const examplesDir = "../../examples/state"

// examplesNow is the moment as of which all examples are planned.
const examplesNow = "2026-03-01T12:00:00Z"

func TestExamplesGiveTheirPlans(t *testing.T) {
	cases, err := filepath.Glob(filepath.Join(examplesDir, "*", "bans.jsonl"))
	if err != nil || len(cases) == 0 {
		t.Fatalf("there are no examples in %s: %v", examplesDir, err)
	}
	index := readFile(t, filepath.Join(examplesDir, "README.md"))
	for _, log := range cases {
		name := filepath.Base(filepath.Dir(log))
		t.Run(name, func(t *testing.T) {
			if !strings.Contains(index, "| ["+name+"]("+name+") |") {
				t.Errorf("README.md of the examples says nothing about %s", name)
			}
			exampleGivesItsPlans(t, name)
		})
	}
}

// exampleGivesItsPlans works on a copy: a log must belong to the user who reads
// it, which a checkout need not.
func exampleGivesItsPlans(t *testing.T, name string) {
	source, err := filepath.Abs(filepath.Join(examplesDir, name))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, file := range []string{"bans.jsonl", "bans.jsonl.snap", "observed.json"} {
		if text, err := os.ReadFile(filepath.Join(source, file)); err == nil {
			writeFile(t, filepath.Join(dir, file), string(text))
		}
	}
	t.Chdir(dir)
	writeFile(t, "config.yaml", "")
	clearSettings(t)
	args := []string{"plan", "--config", "config.yaml", "--state", "bans.jsonl", "--observed", "observed.json", "--now", examplesNow}
	if flags, err := os.ReadFile(filepath.Join(source, "flags.txt")); err == nil {
		args = append(args, strings.Fields(string(flags))...)
	}
	text, textStatus := planExample(t, args)
	inJSON, jsonStatus := planExample(t, append(args, "-o", "json"))
	golden(t, filepath.Join(source, "plan.txt"), text)
	golden(t, filepath.Join(source, "plan.json"), inJSON)
	if want := statusOf(t, inJSON); textStatus != want || jsonStatus != want {
		t.Errorf("the exit statuses are %d and, with -o json, %d; the plan asks for %d", textStatus, jsonStatus, want)
	}
}

// clearSettings takes away what the environment of the tests could set.
func clearSettings(t *testing.T) {
	for _, pair := range os.Environ() {
		if name, _, _ := strings.Cut(pair, "="); strings.HasPrefix(name, "RECONCILER_") {
			t.Setenv(name, "")
		}
	}
}

func planExample(t *testing.T, args []string) (string, int) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	status := run(args, &stdout, &stderr)
	if status != 0 && status != exitWithheld {
		t.Fatalf("`reconciler %s` exits %d and says: %s", strings.Join(args, " "), status, stderr.String())
	}
	return stdout.String(), status
}

// statusOf gives the exit status that a plan in JSON asks for.
func statusOf(t *testing.T, text string) int {
	t.Helper()
	var p struct{ Withheld []json.RawMessage }
	if err := json.Unmarshal([]byte(text), &p); err != nil {
		t.Fatalf("plan -o json prints no JSON: %v", err)
	}
	if len(p.Withheld) > 0 {
		return exitWithheld
	}
	return 0
}

func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		writeFile(t, path, got)
		return
	}
	if diff := cmp.Diff(readFile(t, path), got); diff != "" {
		t.Errorf("%s differs (-want +got; -update writes it anew):\n%s", path, diff)
	}
}

func readFile(t testing.TB, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func writeFile(t testing.TB, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
