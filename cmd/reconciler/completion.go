package main

import (
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"reconciler/internal/config"
	"reconciler/internal/controller"
	"reconciler/internal/desired"
)

// completer gives the values that a shell may offer.
type completer = func(cmd *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective)

// completes reports whether a shell asks. Nobody else pays for its answers.
func completes(args []string) bool {
	return len(args) > 0 && (args[0] == cobra.ShellCompRequestCmd || args[0] == cobra.ShellCompNoDescRequestCmd)
}

// addCompletions says what each argument and flag can be.
func addCompletions(root *cobra.Command) {
	arguments := map[string]completer{
		"unban": activePrefixes, "status": activePrefixes, "import": files,
	}
	flags := map[string]completer{
		"jail": jails, "output": words("text", "json"), "restored": words("0", "1"),
		"config": files, "from": files, "observed": files, "state-file": files, "state": files,
	}
	for _, cmd := range root.Commands() {
		cmd.ValidArgsFunction = arguments[cmd.Name()]
		if cmd.ValidArgsFunction == nil && !cmd.HasSubCommands() {
			cmd.ValidArgsFunction = words()
		}
		cmd.Flags().VisitAll(func(f *pflag.Flag) {
			values := flags[f.Name]
			if values == nil {
				values = words(config.Choices(f)...)
			}
			cmd.RegisterFlagCompletionFunc(f.Name, values) //nolint:errcheck // the flag is there, and once
		})
	}
}

// words offers a fixed choice, and never the names of files.
func words(choice ...string) completer {
	return cobra.FixedCompletions(choice, cobra.ShellCompDirectiveNoFileComp)
}

func files(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return nil, cobra.ShellCompDirectiveDefault
}

// activePrefixes offers what is banned. An address is offered without its width,
// as people write it.
func activePrefixes(cmd *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
	var list []string
	for _, b := range activeBans(cmd) {
		text := b.Prefix.String()
		if b.Prefix.IsSingleIP() {
			text = b.Prefix.Addr().String()
		}
		if strings.HasPrefix(text, word) && !slices.Contains(args, text) {
			list = append(list, text+"\t"+printable(strings.Join(b.Jails, ",")))
		}
	}
	return list, cobra.ShellCompDirectiveNoFileComp
}

// jails offers the jails that hold a ban.
func jails(cmd *cobra.Command, _ []string, word string) ([]string, cobra.ShellCompDirective) {
	var list []string
	for _, b := range activeBans(cmd) {
		for _, jail := range b.Jails {
			if strings.HasPrefix(jail, word) && printable(jail) == jail {
				list = append(list, jail)
			}
		}
	}
	slices.Sort(list)
	return slices.Compact(list), cobra.ShellCompDirectiveNoFileComp
}

// activeBans reads the state on this machine, without the network. Who may not
// read it is offered nothing.
func activeBans(cmd *cobra.Command) []desired.Ban {
	w, err := config.WritingState(cmd.Flags(), os.Environ())
	if err != nil {
		return nil
	}
	set, _ := controller.ReadSet(w, time.Now()) // what is known is offered
	return set.Bans
}
