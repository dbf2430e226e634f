package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"reconciler/internal/config"
	"reconciler/internal/controller"
	"reconciler/internal/desired"
	"reconciler/internal/doctor"
	"reconciler/internal/observed"
	"reconciler/internal/plan"
	"reconciler/internal/tool"
)

// askFail2ban is how long a person waits for what fail2ban still holds.
const askFail2ban = 3 * time.Second

// errManyLifted is about a flush that may have been meant for one jail.
var errManyLifted = errors.New("a flush without --jail lifts every ban; to lift them all: reconciler flush --all")

// dryRunFlag adds --dry-run to what lifts.
func (a *appender) dryRunFlag() {
	a.cmd.Flags().BoolVar(&a.dryRun, "dry-run", false, "say what would be lifted, and lift nothing")
}

// lift appends lifts. It tells a person what each of them lifts, and who goes on
// believing in it.
func (a *appender) lift(records ...desired.Record) error {
	if !a.forPerson() && !a.dryRun {
		return a.append(records...)
	}
	w, err := a.settings()
	if err != nil {
		return err
	}
	now := time.Now()
	h, unread := readHeld(w, now)
	lifted, vain := h.liftedBy(records)
	if a.dryRun {
		return errors.Join(unread, a.tellLifted("would lift", lifted, vain, h))
	}
	if err := a.append(records...); err != nil {
		return err
	}
	if unread != nil && (records[0].Op == desired.OpFlush || records[0].Jail != "") { // else warnOfWider says it
		a.warn(fmt.Sprintf("the %s is recorded, but what it lifts could not be read in full: %s", records[0].Op, oneLine(unread)))
	}
	done := "lifted"
	if records[0].Defer > 0 {
		done = fmt.Sprintf("unless a stop or start of the jail follows within %s, lifted", records[0].Defer)
	}
	err = a.tellLifted(done, lifted, vain, h)
	a.tellFail2ban(records, lifted)
	return err
}

// held is what the log that commands append to holds in force.
type held struct {
	folds []*desired.Fold
	now   time.Time
	// alone says that a flush of this host means its own bans: each host has an
	// object of its own.
	alone string
}

func readHeld(w config.Writing, now time.Time) (held, error) {
	folds, err := controller.ReadFolds(w, now)
	h := held{folds: folds, now: now}
	if address, addressErr := desired.ParseAddress(w.State); addressErr == nil && address.PerHost() {
		h.alone = w.HostID
	}
	return h, err
}

// liftedBy gives the bans that the records lift, and the records that lift none.
func (h held) liftedBy(records []desired.Record) (lifted []desired.Claim, vain []desired.Record) {
	known := map[desired.Claim]bool{}
	for _, r := range records {
		found := h.lifts(r)
		if len(found) == 0 {
			vain = append(vain, r)
		}
		for _, c := range found {
			if !known[c] {
				known[c] = true
				lifted = append(lifted, c)
			}
		}
	}
	slices.SortFunc(lifted, func(a, b desired.Claim) int {
		return cmp.Or(observed.Compare(a.Prefix, b.Prefix), strings.Compare(a.Jail, b.Jail))
	})
	return lifted, vain
}

func (h held) lifts(r desired.Record) (found []desired.Claim) {
	for _, f := range h.folds {
		for _, c := range f.Lifts(r, h.now) {
			if r.Op != desired.OpFlush || h.alone == "" || c.Host == h.alone {
				found = append(found, c)
			}
		}
	}
	return found
}

// jails gives the jails that have bans in force.
func (h held) jails() []string {
	var jails []string
	for _, f := range h.folds {
		for c := range f.Claims(h.now) {
			jails = append(jails, c.Jail)
		}
	}
	slices.Sort(jails)
	return slices.Compact(jails)
}

// tellLifted says what is lifted, and which records lift nothing.
func (a *appender) tellLifted(done string, lifted []desired.Claim, vain []desired.Record, h held) error {
	for i, r := range vain {
		if i == mostNamed {
			a.warn(fmt.Sprintf("nothing to lift for %d more", len(vain)-mostNamed))
			break
		}
		a.warn(vainly(r, h))
	}
	if len(lifted) == 0 {
		return nil
	}
	names := make([]string, 0, len(lifted))
	for _, c := range lifted {
		end := "permanent"
		if !c.Until.IsZero() {
			end = plan.Short(c.Until.Sub(h.now)) + " left"
		}
		names = append(names, fmt.Sprintf("%s (%s, %s)", short(c.Prefix), c.Jail, end))
	}
	return a.say("%s %d: %s", done, len(lifted), listed(names))
}

// vainly says of a record that it lifts nothing, and what there is.
func vainly(r desired.Record, h held) string {
	words := "nothing to lift: no ban"
	if r.Prefix.IsValid() {
		words += " of " + short(r.Prefix)
	}
	if r.Jail != "" {
		words += " by jail " + desired.ShellWord(r.Jail)
	}
	words += " is in force here"
	if jails := h.jails(); len(jails) > 0 && r.Jail != "" {
		words += "; jails here: " + listed(jails)
	}
	return words
}

// tellFail2ban says which jails of fail2ban go on holding what a person has
// lifted: fail2ban calls it banned, and would not ban it again. A fail2ban that is
// not there, or does not answer soon, is none.
func (a *appender) tellFail2ban(records []desired.Record, lifted []desired.Claim) {
	gone := map[netip.Prefix]bool{}
	for _, c := range lifted {
		gone[c.Prefix] = true
	}
	ctx, cancel := context.WithTimeout(a.cmd.Context(), askFail2ban)
	defer cancel()
	for _, held := range doctor.Holding(ctx, tool.Exec{}, records[0].Jail, func(p netip.Prefix) bool {
		return gone[p] || slices.ContainsFunc(records, func(r desired.Record) bool {
			return r.Prefix.IsValid() && observed.Contains(r.Prefix, p)
		})
	}) {
		a.warn(fmt.Sprintf("fail2ban's jail %s still holds %s and would not ban it again before that is over; to let it forget: %s",
			held.Jail, listed(held.Addresses), held.Forget()))
	}
}

// surely wants to hear from a person that every ban is meant.
func (a *appender) surely(everything bool) error {
	if a.jail != "" && everything {
		return errors.New("--all lifts every ban, and --jail those of one jail; give one of them")
	}
	if a.jail != "" || everything || a.dryRun || !atTerminal() {
		return nil
	}
	err := errManyLifted
	if w, settingsErr := a.settings(); settingsErr == nil {
		h, _ := readHeld(w, time.Now()) // what is not known does not count
		if jails := h.jails(); len(jails) > 0 {
			err = fmt.Errorf("%w; those of one jail: reconciler flush --jail JAIL, and the jails here are: %s", err, strings.Join(jails, ", "))
		}
	}
	return err
}
