//go:build docs

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"reconciler/internal/manual"
)

// The docs tag adds a command that writes man pages and completions for the
// packages. The shipped program is built without it.
func init() { extra = append(extra, docsCommand) }

func docsCommand() *cobra.Command {
	return &cobra.Command{
		Use:    "docs DIR",
		Hidden: true,
		Args:   oneArg("a directory"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return writeDocs(cmd.Root(), args[0])
		},
	}
}

// writeDocs writes the man pages and a completion for each shell. The date is SOURCE_DATE_EPOCH, in Unix seconds.
func writeDocs(root *cobra.Command, dir string) error {
	epoch, err := strconv.ParseInt(os.Getenv("SOURCE_DATE_EPOCH"), 10, 64)
	if err != nil {
		return fmt.Errorf("reading SOURCE_DATE_EPOCH: %w", err)
	}
	date := time.Unix(epoch, 0).UTC()
	man, completions := filepath.Join(dir, "man"), filepath.Join(dir, "completions")
	for _, d := range []string{man, completions} {
		if err := os.MkdirAll(d, 0o755); err != nil { //nolint:gosec // they are built for everybody to read
			return err
		}
	}
	for name, page := range manual.Pages(root, date) {
		if err := os.WriteFile(filepath.Join(man, name), page, 0o644); err != nil { //nolint:gosec // for everybody to read
			return fmt.Errorf("writing the man pages: %w", err)
		}
	}
	for name, write := range map[string]func(string) error{
		"reconciler":      func(path string) error { return root.GenBashCompletionFileV2(path, true) },
		"_reconciler":     root.GenZshCompletionFile,
		"reconciler.fish": func(path string) error { return root.GenFishCompletionFile(path, true) },
	} {
		if err := write(filepath.Join(completions, name)); err != nil {
			return fmt.Errorf("writing the completion %s: %w", name, err)
		}
	}
	return nil
}
