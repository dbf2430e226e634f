package main

import (
	"cmp"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"reconciler/internal/config"
)

func checkCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Read the configuration as run would, and say what is wrong with it",
		Long: `Read the configuration as run would: the file, the variables and the flags, and
whether the logs that they name can be opened. Nothing is changed and no network is
used. Each mistake is named with its file and line; the exit status is 1 then.`,
		Example: "  reconciler check && systemctl reload reconciler",
		Args:    noArgs,
	}
	config.Register(cmd.Flags())
	cmd.RunE = func(*cobra.Command, []string) error {
		cfg, err := loadConfig(cmd)
		if err != nil {
			return err
		}
		if err := opens(cmd, cfg); err != nil {
			return err
		}
		from := cmp.Or(cfg.File, "no file, so all is as by default, or as variables and flags say")
		_, err = fmt.Fprintf(cmd.OutOrStdout(), "The configuration is good (%s).\n", printable(from))
		return err
	}
	return cmd
}

// opens tries what a daemon would open under a configuration.
func opens(cmd *cobra.Command, cfg config.Config) error {
	e, err := engineOf(cmd, cfg, false)
	if err != nil {
		return err
	}
	for _, dir := range e.store.Dirs() {
		if _, err := os.Stat(dir); err != nil {
			return fmt.Errorf("the directory of a log: %w", err)
		}
	}
	return e.store.Close()
}
