package doctor

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"reconciler/internal/controller"
	"reconciler/internal/desired"
	"reconciler/internal/tool"
)

// Where fail2ban keeps its things on Debian and on Amazon Linux.
const (
	actionFile = "/etc/fail2ban/action.d/reconciler.conf"
	database   = "/var/lib/fail2ban/fail2ban.sqlite3"
)

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
	if errors.Is(err, tool.ErrNotFound) {
		e.warn("fail2ban", "", "fail2ban-client is not in %s, so its jails are not looked at", strings.Join(tool.Dirs, ", "))
		return
	}
	if err != nil {
		e.fail("fail2ban", "systemctl enable --now fail2ban", "it does not answer: %v", err)
		return
	}
	var ours []string
	for _, jail := range jailsOf(out) {
		actions, err := e.ask("get", jail, "actions")
		if err == nil && slices.Contains(words(actions), "reconciler") {
			ours = append(ours, jail)
		}
	}
	if len(ours) == 0 {
		e.fail("fail2ban", "cp /usr/share/doc/reconciler/examples/reconciler-sshd.conf /etc/fail2ban/jail.d/ && fail2ban-client reload --restart",
			"it runs, and no jail uses the action reconciler")
		return
	}
	e.ok("fail2ban", "the action reconciler is loaded in: %s", strings.Join(ours, ", "))
	e.known(ours)
}

// stateSetting is the action's path of the log.
var stateSetting = regexp.MustCompile(`(?m)^state\s*=\s*(\S+)`)

// action looks at the action's file, and whether it appends to a log of ours.
func (e *examination) action() bool {
	text, err := os.ReadFile(filepath.Join(e.Root, actionFile))
	if err != nil {
		e.fail("action", "cp /usr/share/doc/reconciler/examples/reconciler.conf "+actionFile, "fail2ban's action is not there: %v", err)
		return false
	}
	if at := stateSetting.FindSubmatch(text); len(at) == 2 && !slices.Contains(e.Config.State, string(at[1])) {
		e.fail("action", fmt.Sprintf("printf '[Init]\\nstate = %s\\n' > %s", e.Config.State[0], strings.TrimSuffix(actionFile, "conf")+"local"),
			"fail2ban appends to %s, and the configuration names %s", at[1], strings.Join(e.Config.State, ", "))
		return false
	}
	return true
}

func (e *examination) ask(args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(e.ctx, clientTimeout)
	defer cancel()
	out, err := e.Run.Run(ctx, nil, "fail2ban-client", args...)
	return string(out), err
}

// jailsOf reads the list out of `fail2ban-client status`. Names that the log
// would not take are left out: they are passed on as arguments.
func jailsOf(status string) []string {
	_, list, _ := strings.Cut(status, "Jail list:")
	list, _, _ = strings.Cut(list, "\n")
	return slices.DeleteFunc(words(list), func(jail string) bool { return desired.CheckJail(jail) != nil || strings.HasPrefix(jail, "-") })
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
	var missing []string
	total := 0
	for _, jail := range jails {
		out, err := e.ask("get", jail, "banip")
		if err != nil {
			continue
		}
		for _, word := range words(out) {
			p, err := desired.ParsePrefix(word)
			if err != nil {
				continue
			}
			if total++; !have[p] {
				missing = append(missing, p.String())
			}
		}
	}
	if len(missing) > 0 {
		e.warn("fail2ban bans", "reconciler import --dry-run "+database+"; reconciler import "+database,
			"%d of fail2ban's %d bans are not in force here, such as %s", len(missing), total, missing[0])
		return
	}
	e.ok("fail2ban bans", "all %d bans of fail2ban are known here", total)
}

// prefixesOf gives what is banned, refused bans included: fail2ban knows them too.
func prefixesOf(s *controller.Status) []netip.Prefix {
	var out []netip.Prefix
	for _, b := range s.Wanted() {
		out = append(out, b.Prefix)
	}
	return out
}
