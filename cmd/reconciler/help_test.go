package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"reconciler/internal/config"
)

// helpOf gives what a person reads.
func helpOf(t *testing.T, args ...string) string {
	t.Helper()
	var out, errOut bytes.Buffer
	if status := run(args, &out, &errOut); status != 0 {
		t.Fatalf("`reconciler %s` exits %d and says: %s", strings.Join(args, " "), status, errOut.String())
	}
	return out.String()
}

func TestTheHelpOfEveryCommandFitsAPlainTerminal(t *testing.T) {
	help := map[string]string{"settings": helpOf(t, "help", "settings"), "": helpOf(t, "--help")}
	for _, cmd := range rootCommand().Commands() {
		help[cmd.Name()] = helpOf(t, "help", cmd.Name())
	}
	for name, text := range help {
		for line := range strings.Lines(text) {
			if len([]rune(strings.TrimSpace(line))) > columns {
				t.Errorf("the help of %q has a line of more than %d columns: %s", name, columns, line)
			}
		}
	}
}

func TestAHelpShowsTheFlagsOfItsCommandAndTheSettingsBehindOneLine(t *testing.T) {
	const line = "`reconciler help settings` lists them."
	forEveryCommand(t, func(cmd *cobra.Command) {
		help := helpOf(t, cmd.Name(), "--help")
		settings := cmd.Flags().Lookup("state") != nil
		if strings.Contains(help, line) != settings {
			t.Errorf("the help of %s says where the settings are: %v, and it has some: %v", cmd.Name(), !settings, settings)
		}
		for _, d := range config.Docs() {
			if settings && strings.Contains(help, "--"+d.Key+" ") && cmd.Name() != "sandbox" && !strings.Contains(cmd.Long+cmd.Example, "--"+d.Key) {
				t.Errorf("the help of %s lists the setting %s", cmd.Name(), d.Key)
			}
		}
	})
	all := helpOf(t, "help", "settings")
	for _, d := range config.Docs() {
		if !strings.Contains(all, "  --"+d.Key) || !strings.Contains(strings.Join(strings.Fields(all), " "), d.Usage) {
			t.Errorf("`reconciler help settings` leaves out %s", d.Key)
		}
	}
}

func TestTheHelpOfTheProgramListsEveryCommandOnce(t *testing.T) {
	help := helpOf(t, "--help")
	forEveryCommand(t, func(cmd *cobra.Command) {
		if n := strings.Count(help, "\n  "+cmd.Name()+" "); n != 1 {
			t.Errorf("the help lists %s %d times", cmd.Name(), n)
		}
	})
}

func forEveryCommand(t *testing.T, visit func(cmd *cobra.Command)) {
	t.Helper()
	for _, cmd := range rootCommand().Commands() {
		if cmd.IsAvailableCommand() {
			visit(cmd)
		}
	}
}
