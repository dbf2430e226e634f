package metrics

import (
	"encoding/json"
	"os"
	"regexp"
	"strings"
	"testing"
)

type panel struct {
	Title, Type, Description string
	FieldConfig              struct {
		Defaults struct {
			Mappings []struct {
				Options map[string]struct{ Text string }
			}
		}
	}
	Targets []struct{ Expr string }
}

func panels(t *testing.T) []panel {
	t.Helper()
	text, err := os.ReadFile("../../deploy/grafana/dashboard.json")
	if err != nil {
		t.Fatal(err)
	}
	var dashboard struct{ Panels []panel }
	if err := json.Unmarshal(text, &dashboard); err != nil {
		t.Fatal(err)
	}
	if len(dashboard.Panels) < 15 {
		t.Fatalf("the dashboard has %d panels", len(dashboard.Panels))
	}
	return dashboard.Panels
}

func TestEachPanelSaysWhatItShowsOutOfMetricsOfTheGuide(t *testing.T) {
	guide, err := os.ReadFile("../../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	titles := map[string]bool{}
	for _, p := range panels(t) {
		if titles[p.Title] || len(p.Description) < 20 || !strings.HasSuffix(p.Description, ".") {
			t.Errorf("panel %q has no description, or its name twice: %q", p.Title, p.Description)
		}
		titles[p.Title] = true
		if len(p.Targets) == 0 {
			t.Errorf("panel %q shows nothing", p.Title)
		}
		for _, target := range p.Targets {
			for _, name := range named.FindAllString(target.Expr, -1) {
				if base := regexp.MustCompile(`_(bucket|sum|count)$`).ReplaceAllString(name, ""); !strings.Contains(string(guide), "`"+base+"`") {
					t.Errorf("panel %q shows %s, which docs/metrics.md does not describe", p.Title, name)
				}
			}
		}
	}
	for _, title := range []string{"Bans per hour", "Fill of each ACL", "Share at the edge", "What is unhealthy", "API errors"} {
		if !titles[title] {
			t.Errorf("there is no panel %q", title)
		}
	}
}

// Hosts that share a log count the same bans, and those of one subnet the same
// ACL: what a host counts may be added up for that host alone.
func TestNoSumOverHostsCountsABanOrAnACLTwice(t *testing.T) {
	shared := regexp.MustCompile(`reconciler_(bans|jail_bans|refused_bans|acl_[a-z_]+|host_entries)\b`)
	sum := regexp.MustCompile(`\b(sum|count|avg)\b *(by *\([^)]*\))?`)
	for _, p := range panels(t) {
		for _, target := range p.Targets {
			if !shared.MatchString(target.Expr) {
				continue
			}
			for _, s := range sum.FindAllString(target.Expr, -1) {
				if !strings.Contains(s, "instance") {
					t.Errorf("panel %q adds up what several hosts may share: %s", p.Title, target.Expr)
				}
			}
		}
	}
}

func TestAYesOrNoIsShownAsAWord(t *testing.T) {
	binary := regexp.MustCompile(`reconciler_(target_healthy|source_up|paused|ready)\b`)
	for _, p := range panels(t) {
		if p.Type != "stat" || !binary.MatchString(p.Targets[0].Expr) {
			continue
		}
		words := 0
		for _, m := range p.FieldConfig.Defaults.Mappings {
			words += len(m.Options)
		}
		if words < 2 {
			t.Errorf("panel %q shows 0 and 1 as figures", p.Title)
		}
	}
}
