package main

import (
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

func TestTheReadmeNamesEveryCommand(t *testing.T) {
	_, table, _ := strings.Cut(readFile(t, "../../README.md"), "\n## Commands\n")
	table, _, found := strings.Cut(table, "\n## ")
	if !found {
		t.Fatal("README.md has no section of commands")
	}
	forEveryCommand(t, func(cmd *cobra.Command) {
		name := cmd.Name()
		if !strings.Contains(table, "`"+name+"`") && !strings.Contains(table, "`"+name+" ") && name != "help" {
			t.Errorf("README.md does not name the command %s", name)
		}
	})
}
