package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

// noArgs refuses arguments, and names the first of them.
func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return fmt.Errorf("%q is too much: %s takes no arguments; see `%s --help`", args[0], cmd.CommandPath(), cmd.CommandPath())
	}
	return nil
}

// somePrefixes wants at least one prefix, or a list of them.
func (a *appender) somePrefixes(cmd *cobra.Command, args []string) error {
	if len(args) == 0 && a.from == "" {
		return fmt.Errorf("no prefix is given; write `%s -- 203.0.113.7`", cmd.CommandPath())
	}
	return nil
}

// oneArg wants exactly one argument, and says what it is.
func oneArg(what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) != 1 {
			return fmt.Errorf("%s takes one argument, %s, and got %d; see `%s --help`", cmd.CommandPath(), what, len(args), cmd.CommandPath())
		}
		return nil
	}
}

// atMostOnePrefix takes a prefix or nothing.
func atMostOnePrefix(cmd *cobra.Command, args []string) error {
	if len(args) > 1 {
		return fmt.Errorf("%s takes one prefix at a time and got %d", cmd.CommandPath(), len(args))
	}
	return nil
}

// knownCommand refuses what is not the name of a command.
func knownCommand(root *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	hint := "`reconciler --help` lists them"
	if near := root.SuggestionsFor(args[0]); len(near) > 0 {
		hint = fmt.Sprintf("did you mean `reconciler %s`?", near[0])
	}
	return fmt.Errorf("there is no command %q; %s", args[0], hint)
}

// flagError adds the next step to what is wrong with a flag.
func flagError(cmd *cobra.Command, err error) error {
	return fmt.Errorf("%w; `%s --help` lists the flags", err, cmd.CommandPath())
}
