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
	from string // a list of prefixes
	cmd  *cobra.Command

	dryRun bool // say what would be lifted, and lift nothing
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

// send appends to a log in S3. A pause and its kin, and an allow, name this
// host: in a log that several share they are for it alone.
func send(ctx context.Context, w config.Writing, records []desired.Record) (*desired.Spooled, error) {
	address, err := desired.ParseAddress(w.State)
	if err != nil {
		return nil, err
	}
	for i, r := range records {
		if r.Op == desired.OpPause || r.Op == desired.OpResume || r.Op == desired.OpConfirm || r.Op == desired.OpAllow || r.Op == desired.OpDisallow {
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

// prefixes parses the arguments, and the list of --from. Bad ones do not keep the
// good ones out.
func (a *appender) prefixes(args []string) ([]netip.Prefix, error) {
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
	if a.from != "" {
		listed, err := a.listed()
		good, bad = append(good, listed...), append(bad, err)
	}
	return good, errors.Join(bad...)
}

// listed reads the list of --from.
func (a *appender) listed() ([]netip.Prefix, error) {
	if a.from == "-" {
		return desired.ParseList("standard input", a.cmd.InOrStdin())
	}
	file, err := os.Open(a.from)
	if err != nil {
		return nil, fmt.Errorf("--from: %w", err)
	}
	defer file.Close() //nolint:errcheck // it is only read
	return desired.ParseList(a.from, file)
}

// fromFlag adds --from.
func (a *appender) fromFlag() {
	a.cmd.Flags().StringVar(&a.from, "from", "", "take the prefixes of a list in `FILE` too, one a line; - is standard input")
}

// jailFlag adds --jail to commands that may name one.
func (a *appender) jailFlag(usage string) {
	a.cmd.Flags().StringVar(&a.jail, "jail", "", usage)
}

// jailName returns the name of --jail as the log takes it; empty: none is given.
func (a *appender) jailName() (string, error) {
	if f := a.cmd.Flags().Lookup("jail"); a.jail == "" && (f == nil || !f.Changed) {
		return "", nil
	}
	name, err := desired.JailName(a.jail)
	if err != nil {
		return "", fmt.Errorf("--jail: %w", err)
	}
	return name, nil
}
