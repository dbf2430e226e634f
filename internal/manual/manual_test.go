package manual

import (
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"reconciler/internal/config"
)

// sample is a root with one command of its own and one setting.
func sample() *cobra.Command {
	root := &cobra.Command{Use: "reconciler", Short: "Keep things equal", Long: "It keeps.\n\nThings."}
	plan := &cobra.Command{Use: "plan [flags]", Short: "Show what would change", Example: "  reconciler plan\n.dot", Run: func(*cobra.Command, []string) {}}
	config.Register(plan.Flags())
	plan.Flags().String("observed", "", "plan against `FILE`")
	root.AddCommand(plan)
	return root
}

func TestThePagesHaveWhatAReaderLooksFor(t *testing.T) {
	pages := Pages(sample(), time.Unix(1790000000, 0).UTC())
	for name, sections := range map[string][]string{
		"reconciler.8":      {"NAME", "SYNOPSIS", "DESCRIPTION", "COMMANDS", "EXIT STATUS", "FILES", "ENVIRONMENT", "SEE ALSO"},
		"reconciler-plan.8": {"NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "EXAMPLES", "EXIT STATUS", "FILES", "SEE ALSO"},
		"reconciler.yaml.5": {"NAME", "DESCRIPTION", "SETTINGS", "EXAMPLES", "FILES", "SEE ALSO"},
	} {
		text := string(pages[name])
		for _, section := range sections {
			if strings.Count(text, "\n.SH "+section+"\n") != 1 {
				t.Errorf("%s has no section %s, or several:\n%s", name, section, text)
			}
		}
		if !strings.HasPrefix(text, ".TH \"") || !strings.Contains(text, "2026-09-21") {
			t.Errorf("%s has no head with its date:\n%s", name, text)
		}
	}
	plan := string(pages["reconciler-plan.8"])
	if !strings.Contains(plan, `\fB\-\-observed\fR \fIFILE\fR`) || strings.Contains(plan, "quota") {
		t.Errorf("the page of a command shows not only its own flags:\n%s", plan)
	}
	if !strings.Contains(string(pages["reconciler.8"]), `\fBreconciler\-plan\fR(8)`+"\nShow what would change") {
		t.Errorf("the page of the program does not list its commands:\n%s", pages["reconciler.8"])
	}
}

func TestThePageOfTheConfigurationHasEverySetting(t *testing.T) {
	text := strings.ReplaceAll(string(Pages(sample(), time.Time{})["reconciler.yaml.5"]), `\-`, "-")
	for _, d := range config.Docs() {
		if !strings.Contains(text, `\fB`+d.Key+`:\fR`) || !strings.Contains(text, "Default: "+d.Default+".") {
			t.Errorf("reconciler.yaml(5) leaves out %s or its default", d.Key)
		}
	}
}

// A line of text that begins with a dot would be a command to roff.
func TestNoTextIsTakenForACommand(t *testing.T) {
	for line := range strings.Lines(string(Pages(sample(), time.Time{})["reconciler-plan.8"])) {
		if strings.HasPrefix(line, ".dot") {
			t.Error("an example is a command of roff")
		}
	}
	if got := escape(`'a\b` + "\n.c"); got != `\&'a\eb`+"\n"+`\&.c` {
		t.Errorf("escaped as %q", got)
	}
}
