package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"time"

	"github.com/spf13/cobra"

	"reconciler/internal/config"
	"reconciler/internal/controller"
	"reconciler/internal/desired"
)

// appendWait is the longest that an append waits for the log's lock. fail2ban
// kills an action after 60 s and holds all its jails up meanwhile.
const appendWait = 10 * time.Second

// appender is a command that only appends to the log, or to the spool of a log in
// S3: no firewall, no network unless the spool is switched off, and with --state
// no configuration either.
type appender struct {
	jail string
	cmd  *cobra.Command
}

// newAppender gives a command the flags that all appending commands share.
func newAppender(cmd *cobra.Command) *appender {
	a := &appender{cmd: cmd}
	config.RegisterWriting(cmd.Flags())
	return a
}

// settings gives what appending needs to know.
func (a *appender) settings() (config.Writing, error) {
	return config.WritingState(a.cmd.Flags(), os.Environ())
}

// append writes the records; a spooled one is worth a warning.
func (a *appender) append(records ...desired.Record) error {
	if len(records) == 0 {
		return nil
	}
	w, err := a.settings()
	if err != nil {
		return err
	}
	spooled, err := a.write(w, records)
	if spooled != nil {
		a.warn(spooled.String())
	}
	return err
}

// warn tells what is no failure of the command.
func (a *appender) warn(words string) {
	fmt.Fprintf(a.cmd.ErrOrStderr(), "reconciler: warning: %s\n", printable(words)) //nolint:errcheck // a warning
}

// write appends to the log on this machine, or to the spool of one in S3.
func (a *appender) write(w config.Writing, records []desired.Record) (*desired.Spooled, error) {
	ctx := a.cmd.Context()
	if desired.IsAddress(w.State) {
		return send(ctx, w, records)
	}
	ctx, cancel := context.WithTimeout(ctx, appendWait)
	defer cancel()
	file := desired.NewFile(w.State)
	file.RunDir = w.RunDir
	return file.Append(ctx, records...)
}

// send appends to a log in S3. A pause and its kin name this host: in a log
// that several share they are for it alone.
func send(ctx context.Context, w config.Writing, records []desired.Record) (*desired.Spooled, error) {
	address, err := desired.ParseAddress(w.State)
	if err != nil {
		return nil, err
	}
	for i, r := range records {
		if r.Op == desired.OpPause || r.Op == desired.OpResume || r.Op == desired.OpConfirm {
			records[i].Host = w.HostID
		}
	}
	ctx, cancel := context.WithTimeout(ctx, appendWait+w.S3.Timeout)
	defer cancel()
	return desired.Sender{
		Address: address, Host: w.HostID, Outboxes: controller.Outboxes(address, w), Direct: w.Spool == "",
		Connect: controller.ConnectS3(address, w.S3), Limit: w.S3.MaxSize, Timeout: w.S3.Timeout, Now: time.Now,
	}.Append(ctx, records...)
}

// prefixes parses the arguments. Bad ones do not keep the good ones out.
func prefixes(args []string) ([]netip.Prefix, error) {
	var good []netip.Prefix
	var bad []error
	for _, arg := range args {
		p, err := desired.ParsePrefix(arg)
		if err != nil {
			bad = append(bad, err)
			continue
		}
		good = append(good, p)
	}
	return good, errors.Join(bad...)
}

// jailFlag adds --jail to commands that may name one.
func (a *appender) jailFlag(usage string) {
	a.cmd.Flags().StringVar(&a.jail, "jail", "", usage)
}

// checkJail refuses names that the log does not take.
func (a *appender) checkJail() error {
	if a.jail == "" {
		if a.cmd.Flags().Changed("jail") {
			return errors.New("--jail is empty; leave it out or name a jail")
		}
		return nil
	}
	if err := desired.CheckJail(a.jail); err != nil {
		return fmt.Errorf("--jail: %w", err)
	}
	return nil
}
