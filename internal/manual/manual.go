// Package manual makes man pages out of the commands and the settings, so that
// they say what the program does.
package manual

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"reconciler/internal/config"
)

// Pages returns the pages by file name: one for the program, one for each
// command, and one for the configuration.
func Pages(root *cobra.Command, date time.Time) map[string][]byte {
	pages := map[string][]byte{
		"reconciler.8":      program(root, date),
		"reconciler.yaml.5": configuration(date),
	}
	for _, cmd := range commands(root) {
		pages["reconciler-"+cmd.Name()+".8"] = command(cmd, date)
	}
	return pages
}

// commands are those that have a page.
func commands(root *cobra.Command) []*cobra.Command {
	var list []*cobra.Command
	for _, cmd := range root.Commands() {
		if cmd.IsAvailableCommand() && cmd.Name() != "help" {
			list = append(list, cmd)
		}
	}
	return list
}

func program(root *cobra.Command, date time.Time) []byte {
	p := newPage("RECONCILER", 8, date)
	p.section("NAME")
	p.text("reconciler - " + lower(root.Short))
	p.section("SYNOPSIS")
	p.line(`\fBreconciler\fR \fICOMMAND\fR [\fIflags\fR] [\fIarguments\fR]`)
	p.section("DESCRIPTION")
	p.text(root.Long)
	p.section("COMMANDS")
	for _, cmd := range commands(root) {
		p.item(`\fBreconciler\-`+escape(cmd.Name())+`\fR(8)`, cmd.Short)
	}
	p.item("", "`reconciler help settings` lists what can be set; so does reconciler.yaml(5).")
	p.exits()
	p.files()
	p.section("ENVIRONMENT")
	p.item(`\fBRECONCILER_\fIKEY\fR`, "each setting of reconciler.yaml(5), in capitals, with _ for -")
	p.item(`\fBRECONCILER_CONFIG\fR`, "the configuration file")
	p.item(`\fBAWS_REGION\fR, \fBAWS_PROFILE\fR, \fBAWS_ENDPOINT_URL\fR`, "as in every program that uses the AWS SDK; on EC2 the instance's role needs none of them")
	p.item(`\fBNO_COLOR\fR`, "no colours on a terminal")
	p.also("reconciler.yaml(5)", "fail2ban-client(1)", "ipset(8)", "iptables(8)", "systemctl(1)")
	return p.bytes()
}

func command(cmd *cobra.Command, date time.Time) []byte {
	p := newPage("RECONCILER-"+strings.ToUpper(cmd.Name()), 8, date)
	p.section("NAME")
	p.text("reconciler-" + cmd.Name() + " - " + lower(cmd.Short))
	p.section("SYNOPSIS")
	p.line(`\fB` + escape(cmd.CommandPath()) + `\fR` + escape(strings.TrimPrefix(cmd.UseLine(), cmd.CommandPath())))
	p.section("DESCRIPTION")
	long := cmd.Long
	if long == "" {
		long = cmd.Short + "."
	}
	p.text(long)
	settings := p.options(cmd)
	if cmd.Example != "" {
		p.section("EXAMPLES")
		p.verbatim(cmd.Example)
	}
	p.exits()
	if settings {
		p.files()
	}
	p.also("reconciler(8)", "reconciler.yaml(5)")
	return p.bytes()
}

// options lists the flags of a command, and reports whether it has settings too.
func (p *page) options(cmd *cobra.Command) (settings bool) {
	p.section("OPTIONS")
	cmd.InitDefaultHelpFlag()
	cmd.LocalFlags().VisitAll(func(f *pflag.Flag) {
		if config.IsSetting(f) {
			settings = true
			return
		}
		if f.Hidden {
			return
		}
		value, usage := pflag.UnquoteUsage(f)
		name := `\fB\-\-` + escape(f.Name) + `\fR`
		if f.Shorthand != "" {
			name = `\fB\-` + escape(f.Shorthand) + `\fR, ` + name
		}
		if value != "" {
			name += ` \fI` + escape(value) + `\fR`
		}
		if d := f.DefValue; d != "" && d != "false" && d != "0" && d != "[]" {
			usage += " (default " + d + ")"
		}
		p.item(name, usage)
	})
	if settings {
		p.item(`\fB\-\-\fISETTING\fR`, "the settings of reconciler.yaml(5) that the command uses are flags too")
	}
	return settings
}

func configuration(date time.Time) []byte {
	p := newPage("RECONCILER.YAML", 5, date)
	p.section("NAME")
	p.text("reconciler.yaml - settings of reconciler, in " + config.DefaultPath)
	p.section("DESCRIPTION")
	p.text(`All settings are optional, and the file is yours: no package ships or changes it. It is a
list of lines "key: value" in YAML; a setting that takes several values takes one, or a list [a, b].
A key that is unknown or there twice, and a value out of its range, are errors with their line.

Each setting is also a flag (--key) and a variable (RECONCILER_KEY, in capitals, with _ for -).
A flag goes over the variable, that over the file; a list replaces the list before it.

The file must belong to root, or to the user who runs the program, and must not be writable by everybody.`)
	p.line(".PP")
	p.line(`After a change run \fBreconciler check\fR, and \fBsystemctl reload reconciler\fR, which checks too: a file with`)
	p.line(`a mistake is refused, and the old settings stay in force, also through a restart.`)
	p.section("SETTINGS")
	for _, d := range config.Docs() {
		takes := d.Takes
		if takes == "" {
			takes = "true|false"
		}
		words := strings.ToUpper(d.Usage[:1]) + d.Usage[1:] + "."
		if d.List {
			words += " Takes several."
		}
		p.item(fmt.Sprintf(`\fB%s:\fR \fI%s\fR`, escape(d.Key), escape(takes)), words+" Default: "+d.Default+".")
	}
	p.section("EXAMPLES")
	p.verbatim("  ignore: [198.51.100.7, \"2001:db8:77::/48\"]   # where you come from\n  rules: 1-60\n  quota: 40\n  metrics: 127.0.0.1:9477")
	p.files()
	p.also("reconciler(8)", "reconciler-check(8)")
	return p.bytes()
}

// exits says what the statuses mean.
func (p *page) exits() {
	p.section("EXIT STATUS")
	p.item("0", "done; also with skipped lines or refused bans of others")
	p.item("1", "something failed, was refused or could not be read; the rest was done")
	p.item("2", "plan --detailed-exitcode: there are changes; doctor: warnings, and no failure")
	p.item("3", "plan, apply: a removal was withheld, because no record explains it")
}

// files says where everything lies by default.
func (p *page) files() {
	p.section("FILES")
	p.item("/etc/reconciler/config.yaml", "settings, all optional; see reconciler.yaml(5)")
	p.item("/var/lib/reconciler/bans.jsonl", "the log of bans; it compacts itself and must not be rotated")
	p.item("/var/lib/reconciler/bans.jsonl.snap", "the state: what the log said before")
	p.item("/var/lib/reconciler/bans.jsonl.config", "what the settings last said that could be used, for a start at which they cannot")
	p.item("/run/reconciler/", "records that a full disk did not take")
	p.item("/etc/fail2ban/action.d/reconciler.conf", "the action of fail2ban")
	p.item("/usr/share/doc/reconciler/", "the guides; examples of a jail, of IAM policies, alerts and a dashboard")
}

func lower(text string) string { return strings.ToLower(text[:1]) + text[1:] }
