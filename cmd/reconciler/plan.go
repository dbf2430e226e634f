package main

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"reconciler/internal/config"
	"reconciler/internal/controller"
	"reconciler/internal/desired"
	"reconciler/internal/observed"
	"reconciler/internal/plan"
)

func planCommand() *cobra.Command {
	var detailed bool
	var file, at string
	cmd := &cobra.Command{
		Use:   "plan",
		Short: "Show what would change, and why; it cannot write",
		Long: `Show what a reconcile would change, and why. Nothing is written: no applier is built.
Exit status: 0; 1 when something could not be read; 3 when a removal is withheld;
with --detailed-exitcode 2 when there are changes.`,
		Args: noArgs,
	}
	config.Register(cmd.Flags())
	out := outputFlag(cmd)
	cmd.Flags().BoolVar(&detailed, "detailed-exitcode", false, "exit with 2 when there are changes")
	cmd.Flags().StringVar(&file, "observed", "", "plan against the state in `FILE` instead of the real targets")
	cmd.Flags().StringVar(&at, "now", "", "with --observed: plan as of this `TIME`")
	cmd.RunE = func(*cobra.Command, []string) error {
		if err := out.check(); err != nil {
			return err
		}
		p, err := makePlan(cmd, file, at)
		if p.Time.IsZero() || hidden(err) {
			return err
		}
		report := plan.ReportOf(p)
		report.Partial = err != nil
		report.Warnings = out.with(report.Warnings, err)
		if printErr := out.print(cmd, report); printErr != nil {
			return errors.Join(err, printErr)
		}
		if err := failed(err, p.Withheld); err != nil {
			return err
		}
		if detailed && len(p.Changes) > 0 {
			return exitError{status: exitChanges}
		}
		return nil
	}
	return cmd
}

func makePlan(cmd *cobra.Command, file, at string) (plan.Plan, error) {
	if file != "" {
		return offlinePlan(cmd, file, at)
	}
	if at != "" {
		return plan.Plan{}, errors.New("--now goes with --observed")
	}
	e, err := newEngine(cmd)
	if err != nil {
		return plan.Plan{}, err
	}
	ctx, stop := contextOf(cmd)
	defer stop()
	p, err := e.loop.Plan(ctx)
	return p, errors.Join(err, e.store.Close())
}

// offlinePlan plans against a file: no network, no firewall, and no guard for
// this host's own addresses, which have nothing to do with the file.
func offlinePlan(cmd *cobra.Command, file, at string) (plan.Plan, error) {
	now := time.Now()
	if at != "" {
		var err error
		if now, err = desired.ParseTime(at); err != nil {
			return plan.Plan{}, fmt.Errorf("--now: %w", err)
		}
	}
	cfg, err := config.Load(cmd.Flags(), os.Environ())
	if err != nil {
		return plan.Plan{}, err
	}
	in, err := os.Open(file)
	if err != nil {
		return plan.Plan{}, fmt.Errorf("reading the observed state: %w", err)
	}
	defer in.Close() //nolint:errcheck // it was only read
	state, err := observed.ReadOffline(in, now)
	if err != nil {
		return plan.Plan{}, fmt.Errorf("reading the observed state %s: %w", file, err)
	}
	store, err := controller.OpenStore(cfg, false, now)
	if err != nil {
		return plan.Plan{}, err
	}
	_, refreshErr := store.Refresh(now)
	limits := controller.LimitsOf(cfg)
	for _, p := range cfg.Ignore {
		limits.Guard.Protected = append(limits.Guard.Protected, observed.Protected{Prefix: p, Rule: "--ignore"})
	}
	for _, acl := range state.ACLs {
		limits.ACLs = append(limits.ACLs, acl.ID)
	}
	limits.Usages, limits.Subnets = store.Usages(), store.Metadata().Subnets
	p := plan.Compute(store.Set(now), state, limits, now)
	for i := range p.Withheld {
		p.Withheld[i].Unnamed = false // what a file has observed says nothing about the setting
	}
	if words := plan.Believed(state.ACLs, limits); words != "" && limits.HostMode == plan.HostOverflow {
		p.Warnings = append(p.Warnings, words) // what the host lets go rests on it
	}
	return p, errors.Join(refreshErr, store.Close())
}
