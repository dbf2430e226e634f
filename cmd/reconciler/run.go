package main

import (
	"context"
	"os/signal"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/hashicorp/go-hclog"
	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"reconciler/internal/apply"
	"reconciler/internal/config"
	"reconciler/internal/controller"
)

func runCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Reconcile for ever: the service",
		Long: `Reconcile for ever: when the log grows, when a ban ends, at every resync and after a
failure. SIGHUP rereads the configuration and looks at everything anew; SIGTERM ends it
and lifts nothing.`,
		Args: noArgs,
	}
	config.Register(cmd.Flags())
	cmd.RunE = func(*cobra.Command, []string) error { return serve(cmd) }
	return cmd
}

// oldBackend gives the back end of a chain that a new configuration no longer
// names, for its removal once the new one is in place.
func oldBackend(old *config.Config, cfg config.Config) apply.Backend {
	if old == nil || old.Host == config.HostNone || old.Chain == cfg.Chain && cfg.Host != config.HostNone {
		return nil
	}
	return newHost(*old)
}

// notifier tells systemd, which is not there when nobody asked for it.
func notifier(log hclog.Logger) func(string) {
	return func(text string) {
		if _, err := daemon.SdNotify(false, text); err != nil {
			log.Warn("systemd could not be told", "error", err)
		}
	}
}

// watchdog tells systemd at half the interval that the loop still turns.
func watchdog(ctx context.Context, loop *controller.Loop) {
	interval, err := daemon.SdWatchdogEnabled(false)
	if err != nil || interval == 0 {
		return
	}
	ticker := time.NewTicker(interval / 2)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			if loop.Turns() {
				loop.Notify(daemon.SdNotifyWatchdog)
			}
		}
	}
}

// signalContext ends with SIGTERM or SIGINT.
func signalContext(ctx context.Context) (context.Context, context.CancelFunc) {
	return signal.NotifyContext(ctx, unix.SIGTERM, unix.SIGINT)
}
