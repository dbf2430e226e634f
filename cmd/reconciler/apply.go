package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"reconciler/internal/config"
	"reconciler/internal/controller"
)

func applyCommand() *cobra.Command {
	var force bool
	cmd := &cobra.Command{
		Use:   "apply",
		Short: "Reconcile once: the host, then each ACL",
		Long: `Reconcile once and say what became of each change. Exit status: 0; 1 when anything
failed; 3 when a removal was withheld. While the daemon runs it does this by itself.`,
		Args: noArgs,
	}
	config.Register(cmd.Flags())
	out := outputFlag(cmd)
	cmd.Flags().BoolVar(&force, "force", false, "let removals that no record explains through")
	cmd.RunE = func(*cobra.Command, []string) error {
		if err := out.check(); err != nil {
			return err
		}
		return locked(cmd, func(e *engine) error {
			ctx, stop := contextOf(cmd)
			defer stop()
			report, err := e.loop.Once(ctx, force)
			report.Partial = err != nil
			report.Warnings = out.with(report.Warnings, err)
			if printErr := out.print(cmd, report); printErr != nil {
				return errors.Join(err, printErr)
			}
			if n := report.Failed(); n > 0 && err == nil {
				err = fmt.Errorf("changes that failed: %d; the table says why, and the next apply tries what is still to be done", n)
			}
			return failed(err, report.Withheld)
		})
	}
	return cmd
}

// locked runs something that writes: it takes the daemon's place meanwhile.
func locked(cmd *cobra.Command, do func(*engine) error) error {
	cfg, err := loadConfig(cmd)
	if err != nil {
		return err
	}
	return lockedWith(cmd, cfg, do)
}

func lockedWith(cmd *cobra.Command, cfg config.Config, do func(*engine) error) error {
	release, err := controller.Lock(cfg.Chain, newLogger(cmd.ErrOrStderr(), cfg))
	if err != nil {
		return err
	}
	defer release() //nolint:errcheck // the kernel frees it with the process
	e, err := engineOf(cmd, cfg, true)
	if err != nil {
		return err
	}
	return errors.Join(do(e), e.store.Close())
}
