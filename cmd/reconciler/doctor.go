package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"reconciler/internal/config"
	"reconciler/internal/controller"
	"reconciler/internal/desired"
	"reconciler/internal/doctor"
	"reconciler/internal/observed"
	"reconciler/internal/tool"
)

// exitWarnings is doctor's status when nothing fails and something wants a look.
const exitWarnings = 2

func doctorCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Check all that enforcement depends on, and say how to fix it",
		Long: `Check the daemon, programs, firewall, log, fail2ban, clock, instance metadata, Network ACLs,
permissions (by dry run, which never writes) and slots. One line a check, and below a defect
the command that mends it. It changes nothing. Exit status: 0 all is well; 2 something wants a
look; 1 something fails.`,
		Args: noArgs,
	}
	config.Register(cmd.Flags())
	out := outputFlag(cmd)
	cmd.RunE = func(*cobra.Command, []string) error {
		if err := out.check(); err != nil {
			return err
		}
		ctx, stop := contextOf(cmd)
		defer stop()
		findings := examine(ctx, cmd)
		if err := writeFindings(cmd, *out, findings); err != nil {
			return err
		}
		switch doctor.Worst(findings) {
		case doctor.Failure:
			return exitError{status: 1}
		case doctor.Warning:
			return exitError{status: exitWarnings}
		}
		return nil
	}
	return cmd
}

func writeFindings(cmd *cobra.Command, out output, findings []doctor.Finding) error {
	if out == "json" {
		return doctor.WriteJSON(cmd.OutOrStdout(), findings, version, time.Now())
	}
	return doctor.WriteText(cmd.OutOrStdout(), findings)
}

// examine makes all checks. Without a valid configuration there is nothing to
// check but that.
func examine(ctx context.Context, cmd *cobra.Command) []doctor.Finding {
	cfg, err := loadConfig(cmd)
	if err == nil {
		err = hostSpec(cfg).Validate()
	}
	if err != nil {
		return []doctor.Finding{{Check: "configuration", Level: doctor.Failure, Says: err.Error(), Mend: "${EDITOR:-vi} " + settingsFile(cmd)}}
	}
	metadata, expected := observed.MetadataService()
	p := doctor.Patient{
		Config: cfg, Metadata: metadata, OnEC2: expected, Connect: controller.ConnectAWS,
		Run: tool.Exec{}, Spec: hostSpec(cfg), Holder: controller.Holder, Clock: doctor.Synchronised,
		UID: os.Geteuid(), Now: time.Now, Lifted: liftedHere(cfg),
		Here: func() ([]observed.Protected, error) { return observed.ProtectedSeenIn(rootOfDaemon(cfg.Chain)) },
		Status: func(ctx context.Context) (controller.Status, error) {
			e, err := engineOf(cmd, cfg, false)
			if err != nil {
				return controller.Status{}, fmt.Errorf("opening the state: %w", err)
			}
			s, err := e.loop.Status(ctx)
			return s, errors.Join(err, e.store.Close())
		},
	}
	if cfg.Host != config.HostNone {
		p.Host = observed.HostReader{Run: p.Run, Spec: p.Spec}
	}
	return doctor.Examine(ctx, p)
}

// rootOfDaemon gives the files as the daemon sees them, which a unit may keep
// some from; those of this process where none runs or who looks may not.
func rootOfDaemon(chain string) string {
	var pid int
	if _, err := fmt.Sscanf(controller.Holder(chain), "process %d", &pid); err != nil {
		return "/"
	}
	root := fmt.Sprintf("/proc/%d/root", pid)
	if _, err := os.Stat(root + "/etc"); err != nil {
		return "/"
	}
	return root
}

// settingsFile gives the file whose mistakes keep the configuration from being
// loaded, as config.Load finds it.
func settingsFile(cmd *cobra.Command) string {
	return cmp.Or(cmd.Flags().Lookup("config").Value.String(), os.Getenv("RECONCILER_CONFIG"), config.DefaultPath)
}

// liftedHere says whether a record lifts what a jail of this host wants for a
// prefix. The log is read when that is first asked.
func liftedHere(cfg config.Config) func(jail string, prefix netip.Prefix) bool {
	folds := sync.OnceValue(func() []*desired.Fold {
		folds, err := controller.ReadFolds(cfg.Writing(), time.Now())
		if err != nil {
			return nil // the check of the bans says why
		}
		return folds
	})
	return func(jail string, prefix netip.Prefix) bool {
		return slices.ContainsFunc(folds(), func(f *desired.Fold) bool {
			return !f.LastLift(cfg.HostID, jail, prefix).IsZero()
		})
	}
}
