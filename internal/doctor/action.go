package doctor

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"

	"reconciler/internal/desired"
)

// fail2ban's action, and what an operator has set for it. The second counts
// where both say something (jail.conf(5)).
const (
	actionFile  = "/etc/fail2ban/action.d/reconciler.conf"
	actionLocal = "/etc/fail2ban/action.d/reconciler.local"
)

// The action's path of the log, in its files and where a jail names the action.
// They are compiled on first use: this program starts for every ban.
var (
	stateSetting = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`(?m)^state\s*[=:]\s*(\S+)`) })
	stateInJail  = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`reconciler\[[^]#\n]*\bstate\s*=`) })
)

// action looks whether the action is there.
func (e *examination) action() bool {
	if _, err := os.ReadFile(e.Root + actionFile); err != nil {
		e.fail("action", "cp /usr/share/doc/reconciler/examples/reconciler.conf "+actionFile, "fail2ban's action is not there: %v", err)
		return false
	}
	return true
}

// unloaded looks which log the action will append to, while fail2ban does not
// run and cannot be asked.
func (e *examination) unloaded() {
	if state := e.stateInFiles(); state != "" && !slices.Contains(e.Config.State, state) {
		e.fail("action", e.setState(), "fail2ban appends to %s, and the configuration names %s", state, strings.Join(e.Config.State, ", "))
	}
}

// loaded looks which log the action of a jail appends to, whoever has set it.
func (e *examination) loaded(jail string) {
	out, err := e.ask("get", jail, "action", "reconciler", "state")
	state := strings.TrimSpace(out)
	if err != nil || state == "" {
		state = e.stateInFiles()
	}
	if state == "" || slices.Contains(e.Config.State, state) {
		return
	}
	mend := "fail2ban-client reload --restart " + desired.ShellWord(jail)
	if file := e.jailWithState(); file != "" {
		mend = fmt.Sprintf(`sed -i '/reconciler\[/s#state *= *[^],]*#state=%q#' %s && %s`, e.Config.State[0], file, mend)
	} else if !slices.Contains(e.Config.State, e.stateInFiles()) {
		mend = e.setState() + " " + desired.ShellWord(jail)
	}
	e.fail("action", mend, "fail2ban's jail %s appends to %s, and the configuration names %s", jail, state, strings.Join(e.Config.State, ", "))
}

// stateInFiles gives the log that the action's files name.
func (e *examination) stateInFiles() string {
	return cmp.Or(e.stateIn(actionLocal), e.stateIn(actionFile))
}

func (e *examination) stateIn(file string) string {
	text, err := os.ReadFile(e.Root + file)
	if err != nil {
		return "" // not there
	}
	if at := stateSetting().FindSubmatch(text); at != nil {
		return string(at[1])
	}
	return ""
}

// jailWithState gives the file in which a jail names a log for the action.
func (e *examination) jailWithState() string {
	for _, pattern := range []string{"jail.d/*.local", "jail.local", "jail.d/*.conf", "jail.conf"} {
		files, err := filepath.Glob(e.Root + "/etc/fail2ban/" + pattern)
		if err != nil {
			continue // the pattern is ours and valid
		}
		for _, file := range files {
			if text, err := os.ReadFile(file); err == nil && stateInJail().Match(text) {
				return strings.TrimPrefix(file, e.Root)
			}
		}
	}
	return ""
}

// setState gives the command that lets the action append to our log, and keeps
// what else the operator has set.
func (e *examination) setState() string {
	text, err := os.ReadFile(e.Root + actionLocal)
	const reload = " && fail2ban-client reload --restart"
	state, write := e.Config.State[0], ">>"
	if err != nil {
		write = ">"
	}
	switch {
	case stateSetting().Match(text):
		return fmt.Sprintf(`sed -i 's#^state *[=:].*#state = %s#' %s`, state, actionLocal) + reload
	case strings.Contains(string(text), "[Init]"):
		return fmt.Sprintf(`sed -i '/^\[Init\]/a state = %s' %s`, state, actionLocal) + reload
	default:
		return fmt.Sprintf(`printf '[Init]\nstate = %%s\n' %s %s%s`, state, write, actionLocal) + reload
	}
}
