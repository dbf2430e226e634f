package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/spf13/cobra"

	"reconciler/internal/config"
	"reconciler/internal/controller"
	"reconciler/internal/desired"
	"reconciler/internal/observed"
	"reconciler/internal/tool"
)

// teardownWait is how long a teardown waits for a running daemon to lift all.
const teardownWait = time.Minute

func teardownCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "teardown",
		Short: "Pause, and remove everything that is ours, everywhere",
		Long: `Record a pause and remove everything that is ours: chain, sets and jumps of the host, and
our entries in every Network ACL, also under windows, shapes and ACLs used before. A running
daemon does it; without one this command does. It never asks. ` + "`reconciler resume`" + ` goes on.`,
		Args: noArgs,
	}
	config.Register(cmd.Flags())
	out := outputFlag(cmd)
	cmd.RunE = func(*cobra.Command, []string) error {
		if err := out.check(); err != nil {
			return err
		}
		a := &appender{cmd: cmd}
		if err := a.append(desired.Record{Op: desired.OpPause, Time: time.Now()}); err != nil {
			return err
		}
		cfg, err := loadConfig(cmd)
		if err != nil {
			return err
		}
		cfg.Host = everKept(cfg.Host)
		err = lockedWith(cmd, cfg, func(e *engine) error {
			ctx, stop := contextOf(cmd)
			defer stop()
			report, err := e.loop.Once(ctx, false)
			report.Partial = err != nil
			return errors.Join(err, out.print(cmd, report))
		})
		if errors.Is(err, controller.ErrHeld) {
			return waitForDaemon(cmd)
		}
		return err
	}
	return cmd
}

// everKept gives the back end whose structures are to be taken down: with --host
// none those that an earlier setting may have left, where there are tools to see
// them with.
func everKept(host string) string {
	switch {
	case host != config.HostNone || missing("iptables-save"):
		return host
	case missing("ipset"):
		return config.HostIPTables
	}
	return config.HostIPSet
}

func missing(program string) bool {
	_, err := tool.Find(program)
	return err != nil
}

// waitForDaemon waits until a running daemon has lifted everything.
func waitForDaemon(cmd *cobra.Command) error {
	ctx, stop := contextOf(cmd)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, teardownWait)
	defer cancel()
	for {
		left, err := leftOver(ctx, cmd)
		if err == nil && left == 0 {
			_, err = fmt.Fprintln(cmd.OutOrStdout(), "The running daemon has removed everything that is ours.")
			return err
		}
		select {
		case <-ctx.Done():
			return errors.Join(fmt.Errorf("the running daemon has not lifted everything yet: %d changes are left; see its log", left), err)
		case <-time.After(time.Second):
		}
	}
}

func leftOver(ctx context.Context, cmd *cobra.Command) (int, error) {
	e, err := newEngine(cmd)
	if err != nil {
		return 0, err
	}
	p, err := e.loop.Plan(ctx)
	return len(p.Changes), errors.Join(err, e.store.Close())
}

// unclaimed gives the prefixes in an ACL that look like ours and that no record
// names, and whether somebody else was seen to write there.
func unclaimed(cmd *cobra.Command, id string) (out []netip.Prefix, shared bool, err error) {
	cfg, err := loadConfig(cmd)
	if err != nil {
		return nil, false, err
	}
	cfg.NACL = []string{id}
	cfg.Dedicated = false
	e, err := engineOf(cmd, cfg, false)
	if err != nil {
		return nil, false, err
	}
	ctx, stop := contextOf(cmd)
	defer stop()
	e.loop.Host = nil
	s, err := e.loop.Status(ctx)
	for _, acl := range s.State.ACLs {
		for i, owner := range s.Owners(acl) {
			if acl.ID == id && owner == observed.Unclaimed {
				out = append(out, acl.Entries[i].Prefix)
			}
		}
	}
	return out, s.Shared(id), errors.Join(err, e.store.Close())
}

// warnOfWider tells a person who unbans an address that a wider ban still
// blocks it. The unban is recorded by then, so that this cannot be told is a
// warning too.
func (a *appender) warnOfWider(prefixes []netip.Prefix) error {
	w, err := a.settings()
	if err != nil {
		return err
	}
	set, err := controller.ReadSet(w, time.Now())
	if err != nil {
		a.warn("the unban is recorded, but whether a wider ban is left could not be read in full: " + oneLine(err))
	}
	for _, b := range set.Bans {
		for _, p := range prefixes {
			if observed.Contains(b.Prefix, p) {
				a.warn(fmt.Sprintf("%s is still banned by %s; `reconciler unban %s` lifts that", p, b.Prefix, b.Prefix))
			}
		}
	}
	return nil
}
