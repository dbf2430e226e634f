package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"reconciler/internal/nearest"
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
	if better := meant(root, args[0]); better != "" {
		hint = "did you mean `" + better + "`?"
	}
	return fmt.Errorf("there is no command %q; %s", args[0], hint)
}

// synonyms are words of other programs for what a command does here.
var synonyms = map[string]string{
	"show": "status", "stat": "status", "list": "status", "ls": "status", "info": "status", "get": "status", "state": "status",
	"banip": "ban", "block": "ban", "add": "ban", "deny": "ban",
	"unbanip": "unban", "unblock": "unban", "lift": "unban", "remove": "unban", "delete": "unban", "rm": "unban",
	"diff": "plan", "preview": "plan", "rules": "acl", "acls": "acl", "nacl": "acl",
	"test": "check", "verify": "check", "validate": "check", "lint": "check", "config": "check",
	"daemon": "run", "serve": "run", "sync": "apply", "cleanup": "teardown", "uninstall": "teardown",
	"diagnose": "doctor", "man": "help", "whitelist": "allow", "allowlist": "allow",
}

// meant guesses what an unknown command was to be; empty: nothing is near.
func meant(root *cobra.Command, word string) string {
	if word == "reload" || word == "restart" {
		return "systemctl " + word + " reconciler"
	}
	if name, ok := synonyms[strings.ToLower(word)]; ok {
		return root.Name() + " " + name
	}
	var names []string
	for _, cmd := range root.Commands() {
		if cmd.IsAvailableCommand() {
			names = append(names, cmd.Name())
		}
	}
	near := nearest.Word(word, names)
	if nearest.Edits(word, near) > root.SuggestionsMinimumDistance && !strings.HasPrefix(near, strings.ToLower(word)) {
		return ""
	}
	return root.Name() + " " + near
}

// flagError adds the next step to what is wrong with a flag.
func flagError(cmd *cobra.Command, err error) error {
	return fmt.Errorf("%w; `%s --help` lists the flags", err, cmd.CommandPath())
}
