package migrate

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"reconciler/internal/desired"
	"reconciler/internal/tool"
)

// names are what our action calls the jails of fail2ban, by jail: an action may be
// given a name that is not the jail's, and a jail may have the action twice, as the
// stock jails asterisk and freeswitch have. An unban comes under these names.
type names map[string][]string

// What the dump of fail2ban's configuration holds: lists of Python, one a line.
var (
	dumpedAction = sync.OnceValue(func() *regexp.Regexp {
		const text = `('(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")`
		return regexp.MustCompile(`^\['multi-set', ` + text + `, 'action', .*\['actionban', ` + text + `\]`)
	})
	pythonEscape = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`\\(?:x[0-9a-f]{2}|u[0-9a-f]{4}|U[0-9a-f]{8}|.)`)
	})
	jailArgument = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`\sban\s.*--jail[ =](?:"([^"]*)"|'([^']*)'|([^\s"']+))`)
	})
)

// readNames asks for the configuration as it stands in the files, whether fail2ban
// runs or not.
func readNames(ctx context.Context, run tool.Runner) (names, error) {
	out, err := run.Run(ctx, nil, "fail2ban-client", "-d")
	if err != nil {
		return nil, fmt.Errorf("reading fail2ban's configuration: %w", err)
	}
	found := names{}
	for line := range bytes.Lines(out) {
		action := dumpedAction().FindSubmatch(line)
		if action == nil {
			continue
		}
		command := jailArgument().FindStringSubmatch(pythonText(string(action[2])))
		if command == nil {
			continue
		}
		jail, jailErr := desired.JailName(pythonText(string(action[1])))
		name, nameErr := desired.JailName(command[1] + command[2] + command[3])
		if jailErr == nil && nameErr == nil && !slices.Contains(found[jail], name) {
			found[jail] = append(found[jail], name)
		}
	}
	return found, nil
}

// pythonText reads a text as Python writes it.
func pythonText(quoted string) string {
	return pythonEscape().ReplaceAllStringFunc(quoted[1:len(quoted)-1], func(escape string) string {
		switch c := escape[1]; c {
		case 'n':
			return "\n"
		case 'r':
			return "\r"
		case 't':
			return "\t"
		case 'x', 'u', 'U':
			if code, err := strconv.ParseUint(escape[2:], 16, 32); err == nil && len(escape) > 2 {
				return string(rune(code))
			}
		}
		return escape[1:]
	})
}

// rename gives each ban of a jail the names by which our action will lift it.
func (f *Found) rename(ctx context.Context, run tool.Runner) {
	called, err := readNames(ctx, run)
	if errors.Is(err, tool.ErrNotFound) {
		return // the database comes from elsewhere, and so will the action
	}
	var renamed []desired.Record
	unknown := map[string]bool{}
	for _, r := range f.Records {
		jail := r.Jail
		if len(called[jail]) == 0 {
			unknown[jail] = true
			renamed = append(renamed, r)
		}
		for _, r.Jail = range called[jail] {
			renamed = append(renamed, r)
		}
	}
	f.Records = renamed
	switch {
	case err != nil && len(unknown) > 0:
		f.Doubt = fmt.Sprintf("%v; so each ban is named after its jail, and an action that has another name will not lift it", err)
	case len(unknown) > 0:
		f.Doubt = fmt.Sprintf("fail2ban's configuration has no action of reconciler for %s, so those bans are named after their jails; "+
			"where the action will have another name, as in the stock jails asterisk and freeswitch, give it to the jail first, then import", listed(unknown))
	}
}

func listed(set map[string]bool) string {
	var all []string
	for jail := range set {
		all = append(all, desired.ShellWord(jail))
	}
	slices.Sort(all)
	return strings.Join(all, ", ")
}
