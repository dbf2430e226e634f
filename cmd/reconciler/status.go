package main

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"reconciler/internal/config"
	"reconciler/internal/controller"
	"reconciler/internal/desired"
	"reconciler/internal/plan"
)

func statusCommand() *cobra.Command {
	var v selection
	cmd := &cobra.Command{
		Use:   "status [PREFIX]",
		Short: "Show the active bans and where each is enforced",
		Long: `Show whether the daemon runs and how it does, each active ban and where it is
enforced, what the ACLs have room for, and how the sources are. With a prefix:
why it is blocked or not, by whom, where, until when, and what would lift it.`,
		Args: atMostOnePrefix,
	}
	config.Register(cmd.Flags())
	out := outputFlag(cmd)
	cmd.Flags().StringVar(&v.jail, "jail", "", "only the bans of this `JAIL`")
	cmd.Flags().StringVar(&v.sort, "sort", "prefix", "`ORDER` of the bans: prefix, end or jail")
	cmd.Flags().IntVar(&v.limit, "limit", 0, "show the first `N` bans; 0: all")
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		if err := errors.Join(out.check(), v.check()); err != nil {
			return err
		}
		e, err := newEngine(cmd)
		if err != nil {
			return err
		}
		ctx, stop := contextOf(cmd)
		defer stop()
		s, err := e.loop.Status(ctx)
		if hidden(err) {
			return errors.Join(err, e.store.Close())
		}
		s.Warnings = out.with(s.Warnings, err)
		st := &standing{Status: s, front: frontOf(e.daemon, s, err)}
		return errors.Join(err, st.show(cmd, *out, v, args, e), e.store.Close())
	}
	return cmd
}

// selection is which bans are shown, and in which order.
type selection struct {
	jail, sort string
	limit      int
}

func (v selection) check() error {
	if _, known := orders[v.sort]; !known {
		return fmt.Errorf("--sort %q is unknown; it is prefix, end or jail", v.sort)
	}
	if v.limit < 0 {
		return fmt.Errorf("--limit %d is negative; 0 shows all", v.limit)
	}
	return nil
}

// orders are what bans can be sorted by. They come sorted by prefix, and what is
// equal stays so.
var orders = map[string]func(a, b plan.BanStatus) int{
	"prefix": func(plan.BanStatus, plan.BanStatus) int { return 0 },
	"end": func(a, b plan.BanStatus) int {
		switch {
		case desired.EndsBefore(a.Until, b.Until):
			return -1
		case desired.EndsBefore(b.Until, a.Until):
			return 1
		}
		return 0
	},
	"jail": func(a, b plan.BanStatus) int { return slices.Compare(a.Jails, b.Jails) },
}

// of returns the bans that are asked for, and how many --limit has left out.
func (v selection) of(bans []plan.BanStatus) (chosen []plan.BanStatus, more int) {
	if v.jail != "" {
		bans = slices.DeleteFunc(bans, func(b plan.BanStatus) bool { return !slices.Contains(b.Jails, v.jail) })
	}
	slices.SortStableFunc(bans, orders[v.sort])
	if v.limit > 0 && len(bans) > v.limit {
		return bans[:v.limit], len(bans) - v.limit
	}
	return bans, 0
}

// front is what comes first in every status: whether what follows is being
// carried out, and how that goes.
type front struct {
	Daemon  daemonInfo `json:"daemon"`
	Health  string     `json:"health"`  // ok, degraded or paused
	Reasons []string   `json:"reasons"` // why it is not ok
	Paused  bool       `json:"paused"`
	ours    int        // so many of the reasons are not also the error of the command
}

// frontOf puts together what the daemon says of itself and what a look has shown.
func frontOf(d daemonInfo, s controller.Status, err error) front {
	f := front{Daemon: d, Reasons: slices.Clone(d.reasons()), Paused: s.Paused}
	if f.Reasons == nil {
		f.Reasons = []string{}
	}
	told := strings.Join(f.Reasons, "\n")
	if s.Withheld > 0 && !strings.Contains(told, "withheld") {
		f.Reasons = append(f.Reasons, plan.Count(s.Withheld, "removal that no record explains is", "removals that no record explains are")+" withheld; see `reconciler plan`")
	}
	if len(s.Unknown) > 0 && !strings.Contains(told, s.Unknown[0]) {
		f.Reasons = append(f.Reasons, "not all is known of what is to be banned: "+strings.Join(s.Unknown, ", "))
	}
	f.ours = len(f.Reasons)
	if err != nil && !strings.Contains(told, oneLine(err)) {
		f.Reasons = append(f.Reasons, oneLine(err))
	}
	switch f.Health = controller.HealthOK; {
	case f.Paused:
		f.Health = controller.HealthPaused
	case len(f.Reasons) > 0:
		f.Health = controller.HealthDegraded
	}
	return f
}

// standing is a status with its front.
type standing struct {
	controller.Status
	front front
}

// show writes it in the form that was asked for: all, or what concerns one prefix.
func (s *standing) show(cmd *cobra.Command, out output, v selection, args []string, e *engine) error {
	w, style := cmd.OutOrStdout(), style(cmd)
	style.NoHost = s.NoHost()
	if len(args) == 0 {
		if out == "json" {
			return s.writeJSON(w, v)
		}
		return s.write(w, v, style)
	}
	p, err := desired.ParsePrefix(args[0])
	if err != nil {
		return err
	}
	claims := e.store.Claims(p, e.config.HostID, s.Time)
	if out == "json" {
		return s.writePrefixJSON(w, p, claims)
	}
	return s.writePrefix(w, p, claims, style)
}

// bansOn returns the active bans that overlap a prefix.
func (s *standing) bansOn(p netip.Prefix) []plan.BanStatus {
	return slices.DeleteFunc(s.Where.Bans(), func(b plan.BanStatus) bool { return !b.Prefix.Overlaps(p) })
}
