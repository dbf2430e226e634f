package main

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"reconciler/internal/desired"
	"reconciler/internal/plan"
)

// door is what meets a ban on this host before it is written: the addresses that
// must not be banned, and the one that a person sits at.
type door struct {
	set     desired.Set
	limits  plan.Limits
	chain   string
	session netip.Addr
	refuses func(netip.Prefix) (string, bool)
}

// openDoor finds out what meets a ban. What cannot be known refuses nothing: the
// daemon judges again.
func (a *appender) openDoor() (*door, error) {
	e, err := newEngine(a.cmd)
	if err != nil {
		return nil, err
	}
	d := &door{chain: e.config.Chain, session: sessionAddress()}
	d.set, d.limits, _ = e.loop.Door() // the daemon and status tell of a log that cannot be read
	d.refuses = plan.Refuser(d.set, d.limits)
	return d, e.store.Close()
}

// cutsOff reports whether a ban is of the address that this session comes from.
func (d *door) cutsOff(p netip.Prefix) bool {
	return d.session.IsValid() && d.limits.Widened(p).Contains(d.session)
}

// admit keeps the prefixes that would be enforced. The error names the others.
func (d *door) admit(prefixes []netip.Prefix, yes bool) (good []netip.Prefix, refused error) {
	var errs []error
	for _, p := range prefixes {
		why, bad := d.refuses(p)
		switch {
		case bad:
			errs = append(errs, fmt.Errorf("refused: the ban of %s %s", short(p), why))
		case !yes && d.cutsOff(p):
			errs = append(errs, fmt.Errorf("refused: the ban of %s would cut off this session, which comes from %s; to ban it all the same: --yes", short(p), d.session))
		default:
			good = append(good, p)
		}
	}
	return good, errors.Join(atMost(errs)...)
}

// atMost keeps the first of many errors, and counts the rest.
func atMost(errs []error) []error {
	if n := len(errs) - mostNamed; n > 0 {
		return append(errs[:mostNamed:mostNamed], fmt.Errorf("and %d more", n))
	}
	return errs
}

// banForPerson bans what will be enforced, says so, and refuses the rest.
func (a *appender) banForPerson(template desired.Record, prefixes []netip.Prefix, yes bool) error {
	if template.Bantime == 0 {
		return errors.New("refused: a ban of 0 seconds is over at once; give a --bantime, or to lift a ban: reconciler unban")
	}
	d, err := a.openDoor()
	if err != nil { // nothing is known of what is refused, and a ban is not lost for it
		if appendErr := a.append(each(template, prefixes)...); appendErr != nil {
			return appendErr
		}
		a.warn("the ban is recorded, but whether it will be enforced could not be found out: " + oneLine(err))
		return nil
	}
	good, refused := d.admit(prefixes, yes)
	if err := a.append(each(template, good)...); err != nil {
		return errors.Join(refused, err)
	}
	return errors.Join(refused, a.tellBanned(d, template, good))
}

// tellBanned says what was banned until when, and what keeps it from having effect.
func (a *appender) tellBanned(d *door, template desired.Record, prefixes []netip.Prefix) error {
	if len(prefixes) == 0 {
		return nil
	}
	now, until := time.Now(), template.Until(template.Time)
	if !until.IsZero() && !now.Before(until) {
		a.warn(fmt.Sprintf("the ban is recorded, and was over %s ago: nothing is enforced", plan.Short(now.Sub(until))))
		return nil
	}
	for _, p := range prefixes {
		if d.cutsOff(p) {
			a.warn(fmt.Sprintf("the ban of %s cuts off this session, which comes from %s; to lift it: reconciler unban %s", short(p), d.session, short(p)))
		}
	}
	if d.set.Paused {
		a.warn("everything is paused, so nothing is enforced until `reconciler resume`")
	}
	if words := noDaemon(d.chain); words != "" && atTerminal() {
		a.warn(words)
	}
	return a.sayBanned(d, prefixes, endOf(until, now))
}

func (a *appender) sayBanned(d *door, prefixes []netip.Prefix, end string) error {
	if len(prefixes) > mostNamed {
		return a.say("banned %d prefixes %s", len(prefixes), end)
	}
	for _, p := range prefixes {
		if err := a.say("banned %s %s", sized(d.limits.Widened(p)), end); err != nil {
			return err
		}
	}
	return nil
}

// endOf says until when, as the end of a sentence.
func endOf(until, now time.Time) string {
	if until.IsZero() {
		return "for ever"
	}
	return plan.EndText(until, now, nil)
}
