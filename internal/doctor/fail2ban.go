package doctor

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"

	"reconciler/internal/controller"
	"reconciler/internal/desired"
	"reconciler/internal/tool"
)

// database is where fail2ban keeps its bans, on Debian and on Amazon Linux.
const database = "/var/lib/fail2ban/fail2ban.sqlite3"

// clientTimeout bounds one question to fail2ban, which answers late while it bans.
const clientTimeout = 20 * time.Second

// fail2ban looks at the action, at which jails use it, and whether every ban of
// theirs is known here.
func (e *examination) fail2ban() {
	if _, err := os.Stat(e.Root + "/etc/fail2ban"); err != nil {
		e.warn("fail2ban", "apt-get install -y fail2ban || dnf install -y fail2ban", "fail2ban is not installed: nothing bans by itself")
		return
	}
	if !e.action() {
		return
	}
	out, err := e.ask("status")
	if err != nil {
		e.unloaded()
	}
	if errors.Is(err, tool.ErrNotFound) {
		e.warn("fail2ban", "apt-get install -y fail2ban || dnf install -y fail2ban", "fail2ban-client is not in %s, so its jails are not looked at", strings.Join(tool.Dirs, ", "))
		return
	}
	if err != nil {
		e.silent(err)
		return
	}
	var ours, others []string
	for _, jail := range jailsOf(out) {
		actions, err := e.ask("get", jail, "actions")
		switch {
		case err != nil:
			e.warn("fail2ban", "fail2ban-client get "+desired.ShellWord(jail)+" actions", "which actions jail %s has is not known: %v", jail, err)
		case slices.Contains(words(actions), "reconciler"):
			ours = append(ours, jail)
		default:
			others = append(others, jail)
		}
	}
	if len(ours) == 0 {
		e.fail("fail2ban", "cp /usr/share/doc/reconciler/examples/reconciler-sshd.conf /etc/fail2ban/jail.d/ && "+restartFail2ban,
			"it runs, and no jail has loaded the action reconciler; the shipped jail needs python3-systemd, and the end of /var/log/fail2ban.log says what failed")
		return
	}
	without := ""
	if len(others) > 0 {
		without = "; without it, and not seen here: " + strings.Join(others, ", ")
	}
	e.ok("fail2ban", "the action reconciler is loaded in: %s%s", strings.Join(ours, ", "), without)
	for _, jail := range ours {
		e.loaded(jail)
	}
	e.known(ours)
}

const restartFail2ban = "systemctl restart fail2ban"

// silent says why fail2ban does not answer: with a jail that has no log file it
// does not start at all.
func (e *examination) silent(err error) {
	if !errors.Is(err, tool.ErrNoServer) {
		e.fail("fail2ban", restartFail2ban, "it does not answer: %v", err)
		return
	}
	_, tested := e.ask("--test")
	if errors.Is(tested, tool.ErrNoLogFile) {
		mend := "fail2ban-client --test; ${EDITOR:-vi} /etc/fail2ban/jail.local"
		if said, ok := errors.AsType[*tool.Error](tested); ok && said.Jail() == "sshd" { // it logs to the journal alone
			mend = `printf '[sshd]\nbackend = systemd\n' >/etc/fail2ban/jail.d/zz-journal.conf && (apt-get install -y python3-systemd || true) && ` + restartFail2ban
		}
		e.fail("fail2ban", mend, "it does not run, since a jail's log file is not there: %v", tested)
		return
	}
	e.fail("fail2ban", "systemctl enable --now fail2ban", "it does not run: %v", err)
}

func (e *examination) ask(args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(e.ctx, clientTimeout)
	defer cancel()
	out, err := e.Run.Run(ctx, nil, "fail2ban-client", args...)
	return string(out), err
}

// jailsOf reads the list out of `fail2ban-client status`: names may hold spaces.
func jailsOf(status string) []string {
	_, list, _ := strings.Cut(status, "Jail list:")
	list, _, _ = strings.Cut(list, "\n")
	if list = strings.TrimSpace(list); list == "" {
		return nil
	}
	return strings.Split(list, ", ")
}

func words(text string) []string {
	return strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ' ' || r == '\n' || r == '\t' || r == '\r' })
}

// known compares fail2ban's bans with those of the log. More of ours are no
// defect: fail2ban forgets, and people ban too.
func (e *examination) known(jails []string) {
	s, _ := e.look()
	if s == nil {
		return // the status check says why
	}
	have := map[netip.Prefix]bool{}
	for _, p := range prefixesOf(s) {
		have[p] = true
	}
	total, kept := 0, 0
	for _, jail := range jails {
		theirs := e.bansOf(jail)
		total += len(theirs)
		e.unknown(jail, theirs, have, &kept)
	}
	if total == kept {
		e.ok("fail2ban bans", "%d of %d bans of fail2ban are known here", kept, total)
	}
}

// bansOf gives what a jail of fail2ban bans.
func (e *examination) bansOf(jail string) []netip.Prefix {
	out, err := e.ask("get", jail, "banip")
	if err != nil {
		return nil
	}
	return bansIn(out)
}

// unknown reports the bans of a jail that are not in force here. What was lifted
// here stays lifted, so fail2ban is to forget it; the rest is to be imported.
func (e *examination) unknown(jail string, theirs []netip.Prefix, have map[netip.Prefix]bool, kept *int) {
	var lifted, missing []string
	for _, p := range theirs {
		switch {
		case have[p]:
			*kept++
		case e.Lifted(jail, p):
			lifted = append(lifted, word(p))
		default:
			missing = append(missing, word(p))
		}
	}
	if len(lifted) > 0 {
		e.warn("fail2ban bans", forget(jail, lifted),
			"%d of the %d bans of fail2ban's jail %s were lifted here, such as %s: fail2ban would not ban it again before they end", len(lifted), len(theirs), jail, lifted[0])
	}
	if len(missing) > 0 {
		e.warn("fail2ban bans", e.importing(),
			"%d of the %d bans of fail2ban's jail %s are not in force here, such as %s", len(missing), len(theirs), jail, missing[0])
	}
}

// word gives a prefix as fail2ban writes it: a single address without a length.
func word(p netip.Prefix) string {
	if p.IsSingleIP() {
		return p.Addr().String()
	}
	return p.String()
}

// importing gives the command that takes fail2ban's bans over.
func (e *examination) importing() string {
	command := "reconciler import --dry-run " + database + "; reconciler import " + database
	if _, err := e.Run.Run(e.ctx, nil, "sqlite3", "--version"); errors.Is(err, tool.ErrNotFound) {
		return "(apt-get install -y sqlite3 || dnf install -y sqlite) && " + command
	}
	return command
}

// prefixesOf gives what is banned, refused bans included: fail2ban knows them too.
func prefixesOf(s *controller.Status) []netip.Prefix {
	var out []netip.Prefix
	for _, b := range s.Wanted() {
		out = append(out, b.Prefix)
	}
	return out
}
