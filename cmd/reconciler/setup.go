package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/fatih/color"
	"github.com/hashicorp/go-hclog"
	"github.com/spf13/cobra"

	"reconciler/internal/apply"
	"reconciler/internal/config"
	"reconciler/internal/controller"
	"reconciler/internal/observed"
	"reconciler/internal/plan"
	"reconciler/internal/tool"
)

// engine is what the commands that look at the targets work with.
type engine struct {
	config config.Config
	store  *controller.FileStore
	loop   *controller.Loop
	daemon daemonInfo // only with an engine that looks
}

// newEngine reads the configuration and opens the state for reading.
func newEngine(cmd *cobra.Command) (*engine, error) {
	cfg, err := loadConfig(cmd)
	if err != nil {
		return nil, err
	}
	e, err := engineOf(cmd, cfg, false)
	if err != nil {
		return nil, err
	}
	e.daemon = askDaemon(cfg.Chain)
	e.loop.Daemon, e.loop.Idle = e.daemon.health, e.daemon.idle()
	return e, nil
}

// engineOf opens the state. A writing engine owns the snapshot: there can be
// one at a time.
func engineOf(cmd *cobra.Command, cfg config.Config, writing bool) (*engine, error) {
	store, err := controller.OpenStore(cfg, writing, time.Now())
	if err != nil {
		return nil, err
	}
	spec := hostSpec(cfg)
	if err := spec.Validate(); err != nil {
		return nil, errors.Join(err, store.Close())
	}
	metadata, expected := observed.MetadataService()
	e := &engine{config: cfg, store: store}
	e.loop = &controller.Loop{
		Config: cfg, Store: store, Now: time.Now, Log: newLogger(cmd.ErrOrStderr(), cfg),
		Notify: func(string) {}, Here: observed.ProtectedHere,
		Cloud: controller.Cloud{
			Connect: controller.ConnectAWS, Metadata: metadata, NACL: cfg.NACL, Now: time.Now,
			OnEC2: expected,
		},
	}
	if cfg.Host != config.HostNone {
		e.loop.Host = observed.HostReader{Run: tool.Exec{}, Spec: spec}
	}
	if cfg.Host != config.HostNone && writing { // what only looks has nothing to write with
		e.loop.Backend = newHost(cfg)
	}
	return e, nil
}

func loadConfig(cmd *cobra.Command) (config.Config, error) {
	return config.Load(cmd.Flags(), os.Environ())
}

func newHost(cfg config.Config) apply.Backend { return apply.NewHost(tool.Exec{}, hostSpec(cfg)) }

// hostSpec gives what of the host's firewall is ours.
func hostSpec(cfg config.Config) observed.HostSpec {
	spec := observed.HostSpec{Backend: cfg.Host, Chain: cfg.Chain, Hooks: cfg.Hooks, Block: cfg.Block, Shape: cfg.Shape}
	if cfg.Host == config.HostNone {
		spec.Backend = ""
	}
	if cfg.Host == config.HostIPTables {
		spec.MaxEntries = cfg.HostRules
	}
	if cfg.Iptables != config.IptablesAuto {
		spec.Variant = cfg.Iptables
	}
	return spec.WithDefaults()
}

func newLogger(w io.Writer, cfg config.Config) hclog.Logger {
	return hclog.New(&hclog.LoggerOptions{
		Name: "reconciler", Level: hclog.LevelFromString(cfg.LogLevel), Output: w, JSONFormat: cfg.LogJSON,
		DisableTime: !cfg.LogJSON && underSystemd(),
	})
}

// underSystemd says that the journal stamps the lines.
func underSystemd() bool { return os.Getenv("JOURNAL_STREAM") != "" }

// output is the form in which a report is printed.
type output string

func outputFlag(cmd *cobra.Command) *output {
	var o output
	cmd.Flags().StringVarP((*string)(&o), "output", "o", "text", "`FORM` of the output: text or json")
	return &o
}

func (o output) check() error {
	if o != "text" && o != "json" {
		return fmt.Errorf("-o %q is unknown; it is text or json", string(o))
	}
	return nil
}

// with adds what went wrong to the warnings of JSON, whose reader may never see
// the error; a person would read it twice.
func (o output) with(warnings []string, err error) []string {
	if err == nil || o != "json" {
		return warnings
	}
	return append(warnings, oneLine(err))
}

// print writes a report in the form asked for.
func (o output) print(cmd *cobra.Command, r plan.Report) error {
	r.Version = version
	if o == "json" {
		return plan.WriteJSON(cmd.OutOrStdout(), r)
	}
	return plan.WriteText(cmd.OutOrStdout(), r, style(cmd))
}

// style has colours only on a terminal and never with NO_COLOR.
func style(cmd *cobra.Command) plan.Style {
	return plan.Style{Color: cmd.OutOrStdout() == os.Stdout && !color.NoColor}
}

// failed makes the exit status of what went wrong, or of what was withheld.
func failed(err error, withheld []plan.Change) error {
	if err != nil {
		return err
	}
	if len(withheld) > 0 {
		return exitError{status: exitWithheld, err: errors.New(plan.Advice(withheld))}
	}
	return nil
}

// contextOf gives the command's context, ended by the signals that end a run.
func contextOf(cmd *cobra.Command) (context.Context, context.CancelFunc) {
	return signalContext(cmd.Context())
}

// oneLine folds a joined error into one line.
func oneLine(err error) string { return strings.ReplaceAll(err.Error(), "\n", "; ") }
