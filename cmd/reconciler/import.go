package main

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"reconciler/internal/controller"
	"reconciler/internal/migrate"
	"reconciler/internal/plan"
	"reconciler/internal/tool"
)

func importCommand() *cobra.Command {
	var dryRun, yes bool
	var bantime string
	cmd := &cobra.Command{
		Use:   "import [--dry-run] DATABASE",
		Short: "Take over the bans of fail2ban's database, or of the script of 2018",
		Long: `Read the bans that are in force in fail2ban's database (0.11 or later) or in that of the
Network ACL script of 2018, and append those to the log that it does not have yet. The
database is opened read-only. A second import adds nothing, and what was lifted here since
stays lifted, what must not be banned here is refused. It needs the sqlite3 program.`,
		Example: "  reconciler import --dry-run /var/lib/fail2ban/fail2ban.sqlite3",
		Args:    oneArg("a database"),
	}
	a := newAppender(cmd)
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "show what would be appended, and append nothing")
	cmd.Flags().StringVar(&bantime, "bantime", "1h", "how `LONG` the script's bans last, which have no end: seconds, 1h, or -1 for ever")
	cmd.Flags().BoolVar(&yes, "yes", false, "append a ban of the address that this session comes from, too")
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		seconds, err := a.seconds(bantime)
		if err != nil {
			return fmt.Errorf("--bantime: %w", err)
		}
		return a.importFrom(args[0], seconds, dryRun, yes)
	}
	return cmd
}

// importFrom appends what is new, and says what became of each ban.
func (a *appender) importFrom(path string, bantime int64, dryRun, yes bool) error {
	w, err := a.settings()
	if err != nil {
		return err
	}
	ctx, stop := contextOf(a.cmd)
	defer stop()
	now := time.Now()
	found, err := migrate.Reader{Run: tool.Exec{}, Host: w.HostID, Bantime: bantime, Now: now}.Read(ctx, path)
	if err != nil {
		return err
	}
	if found.Doubt != "" {
		a.warn(found.Doubt)
	}
	folds, err := controller.ReadFolds(w, now)
	if err != nil {
		return fmt.Errorf("what the log has already cannot be read, so nothing is appended: %w", err)
	}
	decisions := migrate.Decide(found.Records, folds, now)
	refused := a.refuseOf(decisions, yes)
	fresh := migrate.ToImport(decisions)
	if !dryRun {
		if err := a.append(fresh...); err != nil {
			return err
		}
	}
	done := fmt.Sprintf("Appended %d", len(fresh))
	if dryRun {
		done = fmt.Sprintf("Would append %d", len(fresh))
	}
	err = writeDecisions(a.cmd.OutOrStdout(), decisions, now)
	if err == nil {
		_, err = fmt.Fprintf(a.cmd.OutOrStdout(), "%s of %d bans in force in the database of %s.\n", done, len(decisions)+len(found.Bad), found.Kind)
	}
	return errors.Join(append(found.Bad, refused, err)...)
}

// refuseOf takes out what a person could not ban here either. The error names it.
func (a *appender) refuseOf(decisions []migrate.Decision, yes bool) error {
	d, err := a.openDoor()
	if err != nil {
		a.warn("whether what is imported will be enforced could not be found out: " + oneLine(err))
		return nil // what cannot be known refuses nothing: the daemon judges again
	}
	var errs []error
	for i, decision := range decisions {
		if decision.Fate != migrate.Import {
			continue
		}
		if _, refused := d.admit([]netip.Prefix{decision.Prefix}, yes); refused != nil {
			decisions[i].Fate = migrate.Refused
			errs = append(errs, refused)
		}
	}
	return errors.Join(atMost(errs)...)
}

func writeDecisions(w io.Writer, decisions []migrate.Decision, now time.Time) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, d := range decisions {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", d.Fate, d.Prefix, d.Jail, plan.EndText(d.Until, now, nil)) //nolint:errcheck // Flush tells
	}
	return t.Flush()
}
