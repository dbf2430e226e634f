package controller

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/go-hclog"

	"reconciler/internal/apply"
	"reconciler/internal/desired"
	"reconciler/internal/observed"
	"reconciler/internal/plan"
)

// maxLines is how many changes of one cycle get a line each.
const maxLines = 200

// teller writes the log: a line a change with its reason, each trouble once
// until it changes, and a summary only when something changed.
type teller struct {
	log     hclog.Logger
	now     func() time.Time
	said    map[string]string // by subject: the last words
	ailing  map[string]string // by subject: what is wrong with it now
	summary string
	unknown []string // sources of which not all is known
}

func newTeller(log hclog.Logger, now func() time.Time) *teller {
	return &teller{log: log, now: now, said: map[string]string{}, ailing: map[string]string{}}
}

// cycle logs what one cycle did.
func (t *teller) cycle(r report) {
	for i, res := range r.results {
		if i == maxLines {
			t.log.Info("more changes", "target", r.target, "count", len(r.results)-maxLines)
			break
		}
		t.change(res)
	}
	t.trouble(r.target, r.err)
	var withheld string
	if n := len(r.withheld); n > 0 {
		withheld = fmt.Sprintf("%d removals that no record explains are withheld; `reconciler confirm` lets them through", n)
		if plan.Unnamed(r.withheld) {
			withheld = plan.Advice(r.withheld)
		}
		withheld += fmt.Sprintf("; the first: %s: %s", plan.Subject(r.withheld[0]), r.withheld[0].Why)
	}
	t.once(r.target+" withheld", withheld)
	t.once(r.target+" warnings", strings.Join(r.warnings, "; "))
}

func (t *teller) change(res result) {
	c := res.change
	args := []any{"target", c.Target}
	if c.Rule != 0 {
		args = append(args, "rule", c.Rule)
	}
	if c.Old.IsValid() {
		args = append(args, "old", c.Old)
	}
	if c.Prefix.IsValid() {
		args = append(args, "prefix", c.Prefix)
	}
	if c.Action != plan.Delete && c.Action != plan.Remove && c.Prefix.IsValid() {
		args = append(args, "until", untilText(c.Until))
	}
	if len(c.Jails) > 0 {
		args = append(args, "jails", strings.Join(c.Jails, ","))
	}
	args = append(args, "why", c.Why)
	if errors.Is(res.err, apply.ErrNotTried) {
		t.log.Debug(string(c.Action)+" not tried", append(args, "error", printable(res.err))...)
		return
	}
	if res.err != nil {
		t.log.Error(string(c.Action)+" failed", append(args, "error", printable(res.err))...)
		sdkWords(t.log, c.Target, res.err)
		return
	}
	t.log.Info(string(c.Action), args...)
}

func untilText(until time.Time) string {
	if until.IsZero() {
		return "permanent"
	}
	return until.UTC().Format(time.RFC3339)
}

// What else than a target can be in trouble for a while.
const (
	reading = "state"            // a source of bans
	saving  = "saving the state" // and what is beside it on the disk
	finding = "discovery"        // the ACLs and what the metadata says

	configuring = "configuration"
)

// trouble logs a failure when it appears or changes, and its end; true when it
// did.
func (t *teller) trouble(subject string, err error) bool {
	gist := gistOf(err)
	if delete(t.ailing, subject); err != nil {
		t.ailing[subject] = printable(err)
	}
	if t.said[subject] == gist {
		return false
	}
	t.said[subject] = gist
	if err != nil {
		t.log.Error("trouble", "with", subject, "error", printable(err))
		sdkWords(t.log, subject, err)
		return true
	}
	t.log.Info("recovered", "with", subject)
	return true
}

// sdkWords keeps what the SDK said of a failure, which AWS's support asks for.
func sdkWords(log hclog.Logger, subject string, err error) {
	if raw := observed.Raw(err); raw != "" {
		log.Debug("the SDK's own words", "with", subject, "error", printable(errors.New(raw)))
	}
}

// gistOf tells one failure from another. The words of an API error hold a
// request ID, which is new each time, so its code stands for it.
func gistOf(err error) string {
	if err == nil {
		return ""
	}
	if code := apply.Code(err); code != "" {
		return code
	}
	return err.Error()
}

// printable gives an error in one line, with every byte escaped that a terminal
// or a log viewer could act on: others may have shaped the text.
func printable(err error) string {
	quoted := strconv.Quote(strings.ReplaceAll(err.Error(), "\n", "; "))
	return strings.ReplaceAll(strings.ReplaceAll(quoted[1:len(quoted)-1], `\"`, `"`), `\\`, `\`)
}

// once logs a warning when its words change.
func (t *teller) once(subject, words string) {
	if t.said[subject] == words {
		return
	}
	t.said[subject] = words
	if words != "" {
		t.log.Warn(words, "with", subject)
	}
}

// source logs what is new about the sources.
func (t *teller) source(set desired.Set, err error) {
	t.trouble(reading, err)
	t.unknown = set.Unknown
	t.once("state warnings", strings.ReplaceAll(strings.Join(set.Warnings, "; "), "\n", "; "))
	if n := len(set.Bad); n > 0 {
		t.once("state lines", fmt.Sprintf("lines were skipped, the last: %v", set.Bad[n-1]))
	}
}

// state logs the summary when it changed, and gives it for systemd.
func (t *teller) state(s plan.Summary, health Health) string {
	args := []any{"health", health.State, "bans", s.Active, "host", s.Host.Enforced}
	for _, id := range slices.Sorted(maps.Keys(s.NACL)) {
		for _, f := range observed.Families {
			args = append(args, id+"/"+string(f), fmt.Sprintf("%d/%d", s.NACL[id][f].Enforced, s.NACL[id][f].Capacity))
		}
	}
	words := strings.TrimSpace(fmt.Sprintln(args...))
	if words != t.summary {
		t.summary = words
		t.log.Info("enforced", args...)
	}
	return words
}
