package main

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"reconciler/internal/controller"
	"reconciler/internal/desired"
	"reconciler/internal/plan"
)

func allowCommand() *cobra.Command {
	var span string
	cmd := &cobra.Command{
		Use:   "allow [flags] -- [PREFIX...]",
		Short: "Keep addresses from being banned on this host, until disallow",
		Long: `Keep addresses from being banned on this host, for a while or until disallow: no ban that
overlaps one is enforced meanwhile, whoever asks for it. It is the setting "ignore" without
a change of the configuration, and the daemon takes it at once. Without an address it lists
what is allowed. Where hosts share a log in S3, it is for the host on which it is said.`,
		Example: "  reconciler allow --for 30d -- 198.51.100.9",
	}
	a := newAppender(cmd)
	cmd.Flags().StringVar(&span, "for", "-1", "how `LONG`: seconds, 1h, 30d, or -1 until disallow")
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		if len(args) == 0 {
			return a.listAllowed()
		}
		seconds, remark, err := desired.ParseBantime(span)
		if err != nil || remark != "" || seconds == 0 {
			return fmt.Errorf("--for %q: write seconds (3600), a duration (1h, 30d, 1mo), or -1 for as long as it is not taken back", span)
		}
		good, bad := a.prefixes(args)
		return errors.Join(bad, a.allow(good, seconds))
	}
	return cmd
}

func disallowCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "disallow [flags] -- PREFIX...",
		Short:   "Take an allow back",
		Long:    `Take an allow back: bans of the prefix that are in force are enforced again.`,
		Example: "  reconciler disallow 198.51.100.9",
	}
	a := newAppender(cmd)
	cmd.Args = a.somePrefixes
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		good, bad := a.prefixes(args)
		return errors.Join(bad, a.disallow(good))
	}
	return cmd
}

// allow records allows, and says which bans they put out of force.
func (a *appender) allow(prefixes []netip.Prefix, seconds int64) error {
	now := time.Now()
	template := desired.Record{Op: desired.OpAllow, Time: now, Bantime: seconds}
	if err := a.append(each(template, prefixes)...); err != nil {
		return err
	}
	set, err := a.known("allow", now)
	if err != nil {
		return err
	}
	for _, p := range prefixes {
		if err := a.say("allowed %s %s", sized(p), endOf(template.Until(now), now)); err != nil {
			return err
		}
		for _, b := range set.Bans {
			if b.Prefix.Overlaps(p) {
				a.warn(fmt.Sprintf("the ban of %s is not enforced meanwhile", sized(b.Prefix)))
			}
		}
	}
	return nil
}

// disallow takes back what is allowed, and says what is not.
func (a *appender) disallow(prefixes []netip.Prefix) error {
	now := time.Now()
	set, err := a.known("disallow", now)
	if err != nil {
		return err
	}
	if err := a.append(each(desired.Record{Op: desired.OpDisallow, Time: now}, prefixes)...); err != nil {
		return err
	}
	for _, p := range prefixes {
		if !slices.ContainsFunc(set.Allowed, func(held desired.Allowed) bool { return held.Prefix == p }) {
			a.warn(fmt.Sprintf("%s was not allowed; `reconciler allow` lists what is", short(p)))
			continue
		}
		if err := a.say("%s is no longer allowed", short(p)); err != nil {
			return err
		}
	}
	return nil
}

// known gives what the log asks for, as far as it can be read.
func (a *appender) known(what string, now time.Time) (desired.Set, error) {
	w, err := a.settings()
	if err != nil {
		return desired.Set{}, err
	}
	set, err := controller.ReadSet(w, now)
	if err != nil {
		a.warn(fmt.Sprintf("the %s is recorded, but what else is known could not be read in full: %s", what, oneLine(err)))
	}
	return set, nil
}

// listAllowed shows what is allowed.
func (a *appender) listAllowed() error {
	w, err := a.settings()
	if err != nil {
		return err
	}
	now := time.Now()
	set, err := controller.ReadSet(w, now)
	if err != nil {
		return fmt.Errorf("what is allowed cannot be read in full: %w", err)
	}
	for _, allowed := range set.Allowed {
		if err := a.say("%s", allowedText(allowed, now)); err != nil {
			return err
		}
	}
	if len(set.Allowed) == 0 {
		return a.say("Nothing is allowed here; the setting ignore may name more.")
	}
	return nil
}

// allowedText gives an allow in one line.
func allowedText(allowed desired.Allowed, now time.Time) string {
	return fmt.Sprintf("allowed: %s, %s", allowed.Prefix, plan.EndText(allowed.Until, now, nil))
}

// statusAllowed is an allow in the status of programs.
type statusAllowed struct {
	Prefix string   `json:"prefix"`
	Until  plan.End `json:"until"`
}

func allowedJSON(all []desired.Allowed) []statusAllowed {
	out := make([]statusAllowed, 0, len(all))
	for _, a := range all {
		out = append(out, statusAllowed{a.Prefix.String(), plan.End(a.Until)})
	}
	return out
}
