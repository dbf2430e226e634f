// Command reconciler keeps AWS Network ACLs and the host's firewall equal to
// the bans that fail2ban appends to a log.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
)

// programName is what the program is called.
const programName = "reconciler"

// version is set at link time.
var version = "dev"

// Exit statuses besides 0 and 1.
const (
	exitChanges  = 2 // plan --detailed-exitcode: there are changes
	exitWithheld = 3 // a removal that no record explains was withheld
)

// exitError ends the program with a status of its own. A nil err is silent.
type exitError struct {
	status int
	err    error
}

func (e exitError) Error() string {
	if e.err == nil {
		return ""
	}
	return e.err.Error()
}

func (e exitError) Unwrap() error { return e.err }

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

// run is main with everything that it touches as arguments.
func run(args []string, stdout, stderr io.Writer) int {
	root := rootCommand()
	if completes(args) {
		addCompletions(root)
	}
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(context.Background())
	if err == nil {
		return 0
	}
	if text := err.Error(); text != "" {
		for line := range strings.Lines(text + asRoot(err, args)) {
			fmt.Fprintf(stderr, "reconciler: %s\n", printable(strings.TrimSuffix(line, "\n"))) //nolint:errcheck // there is nowhere else to say it
		}
	}
	if exit, ok := errors.AsType[exitError](err); ok {
		return exit.status
	}
	return 1
}

// printable escapes what could steer a terminal in text that others shaped.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\t' || r == 0x7f || r >= 0x80 && r < 0xa0 {
			return '\uFFFD'
		}
		return r
	}, text)
}

// extra are commands that a build tag adds.
var extra []func() *cobra.Command

func rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "reconciler",
		Short: "Keep AWS Network ACLs and the host's firewall equal to fail2ban's bans",
		Long: `reconciler keeps AWS Network ACLs and the host's firewall equal to a log of bans.
fail2ban (or a person) appends to the log; the daemon enforces what the log says.`,
		SilenceUsage:               true,
		SilenceErrors:              true,
		Version:                    version,
		Args:                       knownCommand,
		SuggestionsMinimumDistance: 2,
		RunE:                       func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetFlagErrorFunc(flagError)
	root.AddCommand(
		banCommand(), unbanCommand(), flushCommand(), jailCommand("start"), jailCommand("stop"),
		allowCommand(), disallowCommand(),
		plainCommand("pause", "Lift everything that is ours and hold still, until resume"),
		plainCommand("resume", "Go on after a pause"),
		plainCommand("confirm", "Let the removals that are withheld through, once"),
		planCommand(), applyCommand(), runCommand(), checkCommand(), statusCommand(), aclCommand(),
		adoptCommand(), teardownCommand(), doctorCommand(), importCommand(), sandboxCommand(), versionCommand(),
	)
	for _, command := range extra {
		root.AddCommand(command())
	}
	layOut(root)
	return root
}

func versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := fmt.Fprintf(cmd.OutOrStdout(), "reconciler %s\n", version)
			return err
		},
	}
}
