package main

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/spf13/cobra"

	"reconciler/internal/desired"
)

func banCommand() *cobra.Command {
	var at, bantime, reason, restored string
	var yes bool
	cmd := &cobra.Command{
		Use:   "ban [flags] -- [PREFIX...]",
		Short: "Append bans to the log",
		Long: `Append bans to the log and return when they are on disk. The daemon enforces them.
Good prefixes are written even when others are bad; the exit status is 1 then. To a person
it says what is banned and until when, and it refuses what would not be enforced. With --state,
as fail2ban's action calls it, it is silent, unless it is called from a terminal.`,
		Example: "  reconciler ban --jail manual --bantime 1h -- 203.0.113.7 2001:db8:1::/48",
	}
	a := newAppender(cmd)
	cmd.Args = a.somePrefixes
	a.fromFlag()
	a.jailFlag("the `JAIL` that bans (default manual)")
	cmd.Flags().StringVar(&at, "time", "", "`TIME` of the ban: Unix seconds or RFC 3339 (default now)")
	cmd.Flags().StringVar(&bantime, "bantime", "1h", "how `LONG` it lasts: seconds, 1h, 1d12h, 1mo, or -1 for ever")
	cmd.Flags().StringVar(&reason, "reason", "", "why, for whoever reads it: any `TEXT`")
	cmd.Flags().StringVar(&restored, "restored", "0", "whether fail2ban restores the ban after a restart: `0|1`")
	cmd.Flags().BoolVar(&yes, "yes", false, "ban the address that this session comes from, too")
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		template, err := a.banRecord(at, bantime, reason, restored)
		if err != nil {
			return err
		}
		good, bad := a.prefixes(args)
		if !a.forPerson() {
			return errors.Join(bad, a.append(each(template, good)...))
		}
		return errors.Join(bad, a.banForPerson(template, good, yes))
	}
	return cmd
}

// each makes one record a prefix.
func each(template desired.Record, prefixes []netip.Prefix) []desired.Record {
	records := make([]desired.Record, 0, len(prefixes))
	for _, p := range prefixes {
		template.Prefix = p
		records = append(records, template)
	}
	return records
}

// banRecord makes the record that all prefixes of one command share.
func (a *appender) banRecord(at, bantime, reason, restored string) (desired.Record, error) {
	w, err := a.settings()
	if err != nil {
		return desired.Record{}, err
	}
	r := desired.Record{Op: desired.OpBan, Host: w.HostID, Reason: reason, Restored: restored == "1"}
	var jailErr, bantimeErr, timeErr, restoredErr error
	r.Jail, jailErr = a.jailName()
	r.Jail = cmp.Or(r.Jail, desired.ManualJail)
	if r.Bantime, bantimeErr = a.seconds(bantime); bantimeErr != nil {
		bantimeErr = fmt.Errorf("--bantime: %w", bantimeErr)
	}
	r.Time, timeErr = a.timeOf(at)
	if r.Restored && a.cmd.Flags().Changed("state") { // as fail2ban's action does
		r.Written = time.Now()
	}
	if restored != "0" && restored != "1" {
		restoredErr = fmt.Errorf("--restored is %q; it takes 0 or 1", restored)
	}
	return r, errors.Join(jailErr, bantimeErr, timeErr, restoredErr)
}

// seconds reads a bantime. One that is out of range is worth a warning and no
// refusal: whoever is banned for so long is to be banned.
func (a *appender) seconds(bantime string) (int64, error) {
	seconds, remark, err := desired.ParseBantime(bantime)
	if remark != "" {
		a.warn(remark)
	}
	return seconds, err
}

// timeOf reads the time of a record; one that is out of range is now.
func (a *appender) timeOf(at string) (time.Time, error) {
	if at == "" {
		return time.Now(), nil
	}
	t, err := desired.ParseTime(at)
	if errors.Is(err, desired.ErrTimeRange) {
		a.warn(fmt.Sprintf("--time: %v; the present time is taken", err))
		return time.Now(), nil
	}
	if err != nil {
		return time.Time{}, fmt.Errorf("--time: %w", err)
	}
	return t, nil
}

func unbanCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "unban [flags] -- [PREFIX...]",
		Short: "Append unbans to the log",
		Long: `Append unbans to the log. With --jail only this host's ban by that jail is lifted;
without it every ban of the prefix and of all inside it, whoever made it. To a person it
says what it lifts, and which jails of fail2ban go on holding it.`,
		Example: "  reconciler unban 203.0.113.7",
	}
	a := newAppender(cmd)
	cmd.Args = a.somePrefixes
	a.fromFlag()
	a.jailFlag("lift the ban of this `JAIL` on this host alone")
	a.dryRunFlag()
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		template, err := a.jailRecord(desired.OpUnban)
		if err != nil {
			return err
		}
		good, bad := a.prefixes(args)
		if len(good) == 0 {
			return bad
		}
		if err := a.lift(each(template, good)...); err != nil || a.jail != "" || a.dryRun {
			return errors.Join(bad, err)
		}
		return errors.Join(bad, a.warnOfWider(good))
	}
	return cmd
}

// jailRecord makes a record that names a jail of this host, or everything.
func (a *appender) jailRecord(op desired.Op) (desired.Record, error) {
	jail, err := a.jailName()
	if err != nil {
		return desired.Record{}, err
	}
	r := desired.Record{Op: op, Jail: jail, Time: time.Now()}
	if jail != "" {
		w, err := a.settings()
		if err != nil {
			return desired.Record{}, err
		}
		r.Host = w.HostID
	}
	return r, nil
}

func flushCommand() *cobra.Command {
	var wait int
	var everything bool
	cmd := &cobra.Command{
		Use:   "flush [flags]",
		Short: "Lift all bans, or all of one jail",
		Long: `Lift all bans, or with --jail those of one jail on this host. With --defer the flush takes
effect after so many seconds unless a stop or start of the jail follows by then. From a terminal
a flush of all bans wants --all.`,
		Args: noArgs,
	}
	a := newAppender(cmd)
	a.jailFlag("flush this `JAIL` alone")
	a.dryRunFlag()
	cmd.Flags().BoolVar(&everything, "all", false, "flush the bans of every jail")
	cmd.Flags().IntVar(&wait, "defer", 0, "wait so many `SECONDS` for a stop or start of the jail")
	cmd.RunE = func(*cobra.Command, []string) error {
		r, err := a.jailRecord(desired.OpFlush)
		if err != nil {
			return err
		}
		if wait < 0 {
			return fmt.Errorf("--defer is %d; it takes 0 or more seconds", wait)
		}
		r.Defer = time.Duration(wait) * time.Second
		if err := a.surely(everything); err != nil {
			return err
		}
		return a.lift(r)
	}
	return cmd
}

// jailCommand makes start and stop, which tell a flush of a stopping fail2ban
// from one that an operator asked for.
func jailCommand(name string) *cobra.Command {
	cmd := &cobra.Command{
		Use:   name + " --jail JAIL",
		Short: "Record that a jail of fail2ban has " + map[string]string{"start": "started", "stop": "stopped"}[name],
		Args:  noArgs,
	}
	a := newAppender(cmd)
	a.jailFlag("the `JAIL`")
	cmd.RunE = func(*cobra.Command, []string) error {
		if a.jail == "" {
			return fmt.Errorf("--jail is missing: it records that a jail of fail2ban did; for the service itself: systemctl %s reconciler", name)
		}
		r, err := a.jailRecord(desired.Op(name))
		if err != nil {
			return err
		}
		return a.append(r)
	}
	return cmd
}

// plainCommand makes a command that appends a record of its name.
func plainCommand(name, short string) *cobra.Command {
	cmd := &cobra.Command{Use: name, Short: short, Args: noArgs}
	a := newAppender(cmd)
	cmd.RunE = func(*cobra.Command, []string) error {
		return a.append(desired.Record{Op: desired.Op(name), Time: time.Now()})
	}
	return cmd
}
