package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"reconciler/internal/config"
)

// columns is the width of a terminal that nobody has made wider.
const columns = 80

// groups order the commands in the help, by what they are for. What is in none
// comes last.
var groups = []struct {
	title    string
	commands []string
}{
	{"Bans", []string{"ban", "unban", "flush", "allow", "disallow", "import", "adopt"}},
	{"Look", []string{"status", "plan", "acl", "simulate", "doctor", "check"}},
	{"Enforce", []string{"run", "apply", "confirm", "pause", "resume", "teardown"}},
	{"Called by fail2ban", []string{"start", "stop"}},
}

// layOut gives the help of every command its form: first what belongs to the
// command, and the settings, which all commands share, behind one line.
func layOut(root *cobra.Command) {
	root.AddCommand(settingsTopic())
	root.SetHelpFunc(func(cmd *cobra.Command, _ []string) { writeHelp(cmd.OutOrStdout(), cmd) }) //nolint:errcheck // there is nowhere else to say it
	root.SetUsageFunc(func(cmd *cobra.Command) error { return writeHelp(cmd.OutOrStderr(), cmd) })
}

// settingsTopic is no command, but what `reconciler help settings` shows.
func settingsTopic() *cobra.Command {
	return &cobra.Command{
		Use:   "settings",
		Short: "What can be set, and where",
		Long: `Each setting is a flag (--key), a variable (RECONCILER_KEY, with _ for -) and a key
of ` + config.DefaultPath + `. A flag goes over the variable, that over the file; a list
replaces the list before it. See also reconciler.yaml(5).`,
	}
}

func writeHelp(w io.Writer, cmd *cobra.Command) error {
	var b strings.Builder
	fmt.Fprintln(&b, wrap(orElse(cmd.Long, cmd.Short), columns))
	if cmd.Name() == "settings" {
		fmt.Fprintf(&b, "\n%s", settingsList())
		return written(w, b.String())
	}
	fmt.Fprintf(&b, "\nUsage:\n  %s\n", cmd.UseLine())
	if cmd.HasAvailableSubCommands() {
		fmt.Fprintf(&b, "  %s COMMAND --help\n", cmd.CommandPath())
	}
	if cmd.Example != "" {
		fmt.Fprintf(&b, "\nExamples:\n%s\n", cmd.Example)
	}
	if cmd.HasAvailableSubCommands() {
		fmt.Fprintf(&b, "\nAvailable Commands:\n%s", commandList(cmd))
	}
	own, settings := ownFlags(cmd)
	if own.HasAvailableFlags() {
		fmt.Fprintf(&b, "\nFlags:\n%s", own.FlagUsagesWrapped(columns))
	}
	switch {
	case settings:
		b.WriteString("\nThe settings that it uses are flags too: `reconciler help settings` lists them.\n")
	case !cmd.HasParent():
		b.WriteString("\n`reconciler help settings` lists what can be set.\n")
	}
	return written(w, b.String())
}

// settingsList lists the settings in the order of the reference.
func settingsList() string {
	var b strings.Builder
	for _, d := range config.Docs() {
		fmt.Fprintf(&b, "  --%s\n", strings.TrimSpace(d.Key+" "+d.Takes))
		words := d.Usage
		if d.List {
			words += "; repeatable"
		}
		words += " (default " + strings.Trim(d.Default, "[]") + ")"
		for line := range strings.Lines(wrap(strings.Replace(words, " (default )", "", 1), columns-6)) {
			fmt.Fprintf(&b, "      %s", line)
		}
		b.WriteString("\n")
	}
	return b.String()
}

func written(w io.Writer, text string) error {
	_, err := io.WriteString(w, text)
	return err
}

func orElse(text, other string) string {
	if text == "" {
		return other
	}
	return text
}

// ownFlags gives the flags that are no settings, and whether there are any that
// are.
func ownFlags(cmd *cobra.Command) (own *pflag.FlagSet, settings bool) {
	cmd.InitDefaultHelpFlag()
	own = pflag.NewFlagSet("", pflag.ContinueOnError)
	cmd.LocalFlags().VisitAll(func(f *pflag.Flag) {
		if config.IsSetting(f) {
			settings = true
			return
		}
		own.AddFlag(f)
	})
	return own, settings
}

// commandList lists the commands by group.
func commandList(cmd *cobra.Command) string {
	var b strings.Builder
	shown := map[string]bool{"settings": true}
	line := func(c *cobra.Command) {
		if c.IsAvailableCommand() && !shown[c.Name()] {
			shown[c.Name()] = true
			fmt.Fprintf(&b, "  %-11s %s\n", c.Name(), c.Short)
		}
	}
	if !cmd.HasParent() {
		for _, g := range groups {
			fmt.Fprintf(&b, " %s\n", g.title)
			for _, name := range g.commands {
				if i := slices.IndexFunc(cmd.Commands(), func(c *cobra.Command) bool { return c.Name() == name }); i >= 0 {
					line(cmd.Commands()[i])
				}
			}
		}
		b.WriteString(" More\n")
	}
	for _, c := range cmd.Commands() {
		line(c)
	}
	return b.String()
}

// wrap breaks the lines of each paragraph anew. One that holds an indented line
// keeps its form.
func wrap(text string, width int) string {
	var out []string
	for paragraph := range strings.SplitSeq(strings.TrimSpace(text), "\n\n") {
		if strings.ContainsAny(paragraph[:1], " \t") || strings.Contains(paragraph, "\n ") || strings.Contains(paragraph, "\n\t") {
			out = append(out, paragraph)
			continue
		}
		var lines []string
		line := ""
		for word := range strings.FieldsSeq(paragraph) {
			if line != "" && len(line)+1+len(word) > width {
				lines, line = append(lines, line), ""
			}
			line = strings.TrimPrefix(line+" "+word, " ")
		}
		out = append(out, strings.Join(append(lines, line), "\n"))
	}
	return strings.Join(out, "\n\n")
}
