package metrics

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// Of several hosts that are scraped one may be gone: absent() is silent then.
func TestTheAlertOfADeadDaemonKnowsEachHostByTheJobOfTheGuide(t *testing.T) {
	guide, err := os.ReadFile("../../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	job := regexp.MustCompile(`job_name: (\S+)`).FindSubmatch(guide)
	if job == nil {
		t.Fatal("docs/metrics.md names no job")
	}
	text, err := os.ReadFile("../../deploy/grafana/alerts.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var tree map[string]any
	if err := unmarshalYAML(text, &tree); err != nil {
		t.Fatal(err)
	}
	want := `up{job="` + string(job[1]) + `"} == 0`
	for _, e := range expressions(tree, "expr") {
		if strings.Contains(e, "absent(reconciler_build_info)") {
			if !strings.Contains(e, " or "+want+" or ") {
				t.Errorf("the alert of a daemon that does not run is %q, want %q in it", e, want)
			}
			return
		}
	}
	t.Error("no alert tells of a daemon that does not run")
}
