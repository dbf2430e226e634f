package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"reconciler/internal/config"
	"reconciler/internal/controller"
	"reconciler/internal/desired"
	"reconciler/internal/plan"
)

func statusCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "status [PREFIX]",
		Short: "Show the active bans and where each is enforced",
		Long: `Show each active ban and where it is enforced, what the ACLs have room for, and how the
sources are. With a prefix: why it is blocked or not, by whom, where, until when, and what
would lift it.`,
		Args: atMostOnePrefix,
	}
	config.Register(cmd.Flags())
	out := outputFlag(cmd)
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		if err := out.check(); err != nil {
			return err
		}
		e, err := newEngine(cmd)
		if err != nil {
			return err
		}
		ctx, stop := contextOf(cmd)
		defer stop()
		s, err := e.loop.Status(ctx)
		s.Warnings = out.with(s.Warnings, err)
		return errors.Join(err, showStatus(cmd, *out, s, args), e.store.Close())
	}
	return cmd
}

func showStatus(cmd *cobra.Command, out output, s controller.Status, args []string) error {
	if len(args) == 0 {
		if out == "json" {
			return writeStatusJSON(cmd.OutOrStdout(), s)
		}
		return writeStatus(cmd.OutOrStdout(), s, style(cmd))
	}
	p, err := desired.ParsePrefix(args[0])
	if err != nil {
		return err
	}
	lines := s.Where.Explain(p, nil)
	if out == "json" {
		return writeJSON(cmd.OutOrStdout(), map[string]any{"prefix": p, "enforced_by": s.Where.Of(p), "explanation": lines})
	}
	_, err = fmt.Fprintln(cmd.OutOrStdout(), strings.Join(lines, "\n"))
	return err
}

type statusBan struct {
	Prefix     string   `json:"prefix"`
	Jails      []string `json:"jails"`
	Until      plan.End `json:"until"`
	EnforcedBy []string `json:"enforced_by"`
}

func writeStatusJSON(w io.Writer, s controller.Status) error {
	bans := []statusBan{}
	for _, b := range s.Where.Bans() {
		bans = append(bans, statusBan{Prefix: b.Prefix.String(), Jails: b.Jails, Until: plan.End(b.Until), EnforcedBy: b.EnforcedBy})
	}
	warnings := s.Warnings
	if warnings == nil {
		warnings = []string{}
	}
	return writeJSON(w, map[string]any{"time": s.Time.UTC(), "bans": bans, "allowed": allowedJSON(s.Allowed()), "summary": s.Summary, "sources": s.Sources, "warnings": warnings})
}

func writeJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

func writeStatus(w io.Writer, s controller.Status, style plan.Style) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "PREFIX\tJAILS\tENDS\tENFORCED BY") //nolint:errcheck // Flush tells
	for _, b := range s.Where.Bans() {
		places := strings.Join(b.EnforcedBy, ", ")
		if places == "" {
			places = "nobody"
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", b.Prefix, plan.JailList(b.Jails), plan.EndText(b.Until, s.Time, style.Zone), places) //nolint:errcheck // Flush tells
	}
	fmt.Fprintln(t) //nolint:errcheck // Flush tells
	if err := t.Flush(); err != nil {
		return err
	}
	for _, allowed := range s.Allowed() {
		if _, err := fmt.Fprintln(w, allowedText(allowed, s.Time)); err != nil {
			return err
		}
	}
	for _, source := range s.Sources {
		if _, err := fmt.Fprintln(w, source.Text(s.Time)); err != nil {
			return err
		}
	}
	return plan.WriteSummary(w, s.Summary, s.Skipped, s.Warnings, style)
}
