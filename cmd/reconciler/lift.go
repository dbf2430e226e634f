package main

import (
	"fmt"
	"net/netip"
	"os"
	"slices"
	"time"

	"reconciler/internal/controller"
	"reconciler/internal/desired"
)

// forPerson says that somebody may read what a command did. fail2ban's action
// always names the log, and is to stay silent.
func (a *appender) forPerson() bool {
	if !a.cmd.Flags().Changed("state") {
		return true
	}
	info, err := os.Stderr.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// inForce gives a question to the state as it is before a lift: whether a ban
// that a record would lift is in force. Nil is that nobody would read the answer,
// or that the state cannot be read, which is no reason not to lift.
func (a *appender) inForce() func(desired.Record) bool {
	w, err := a.settings()
	if err != nil || !a.forPerson() {
		return nil
	}
	now := time.Now()
	folds, err := controller.ReadFolds(w, now)
	if err != nil {
		return nil
	}
	return func(r desired.Record) bool {
		return slices.ContainsFunc(folds, func(f *desired.Fold) bool { return f.Lifts(r, now) })
	}
}

// lift appends lifts, and tells a person of those that lift nothing.
func (a *appender) lift(records ...desired.Record) error {
	inForce := a.inForce()
	var vain []desired.Record
	for _, r := range records {
		if inForce != nil && !inForce(r) {
			vain = append(vain, r)
		}
	}
	if err := a.append(records...); err != nil {
		return err
	}
	for _, r := range vain {
		a.warn(vainly(r))
	}
	return nil
}

func vainly(r desired.Record) string {
	by := ""
	if r.Jail != "" {
		by = " by jail " + desired.ShellWord(r.Jail)
	}
	if !r.Prefix.IsValid() {
		return fmt.Sprintf("nothing is lifted: no ban%s is in force here; `reconciler status` shows those that are", by)
	}
	return fmt.Sprintf("nothing is lifted: no ban of %s%s is in force here; `reconciler status %s` says who blocks it", short(r.Prefix), by, short(r.Prefix))
}

// short gives a prefix as people write it.
func short(p netip.Prefix) string {
	if p.IsSingleIP() {
		return p.Addr().String()
	}
	return p.String()
}
