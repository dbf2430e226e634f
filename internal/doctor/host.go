package doctor

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"reconciler/internal/config"
	"reconciler/internal/observed"
	"reconciler/internal/tool"
)

// What mends more than one defect.
const (
	startService   = "systemctl enable --now reconciler"
	restartService = "systemctl restart reconciler"
	asRoot         = "sudo reconciler doctor"
)

// edit opens the settings.
func (e *examination) edit() string {
	return "${EDITOR:-vi} " + cmp.Or(e.Config.File, config.DefaultPath)
}

func (e *examination) user() {
	if e.UID != 0 {
		e.warn("user", asRoot, "not run as root: the firewall, the log and fail2ban may not be readable")
	}
	if e.Config.File != "" {
		e.ok("configuration", "%s is valid", e.Config.File)
		return
	}
	e.ok("configuration", "no file is there: defaults and the environment count")
}

func (e *examination) daemon() {
	if who := e.Holder(e.Config.Chain); who != "" {
		e.ok("daemon", "%s keeps the chain %s", who, e.Config.Chain)
	} else {
		e.fail("daemon", startService, "no daemon runs: new bans are recorded, and not enforced")
	}
	out, err := e.Run.Run(e.ctx, nil, "systemctl", "is-enabled", "reconciler.service")
	if errors.Is(err, tool.ErrNotFound) {
		return // no systemd here: who starts it is not ours to know
	}
	if said := strings.TrimSpace(string(out)); said != "enabled" {
		if said == "" {
			said = "not installed"
		}
		e.warn("service", startService, "the service is %s: it does not start with the host", said)
		return
	}
	e.ok("service", "it starts with the host")
}

// guarded looks whether all is known of this host that must not be banned.
func (e *examination) guarded() {
	known, err := e.Here()
	if err != nil {
		e.warn("protected", "ls -lL /etc/resolv.conf; ip route show table all; systemctl cat reconciler # what takes them from the service", "%v", err)
		return
	}
	e.ok("protected", "%d addresses of this host, its gateways and its resolvers are known and never banned", len(known))
}

// programs gives what the host's back end needs.
func (e *examination) programs() []string {
	var names []string
	for _, f := range observed.Families {
		names = append(names, e.Spec.Program(f, "save"), e.Spec.Program(f, "restore"))
	}
	if e.Spec.Backend == observed.BackendIPSet {
		names = append(names, "ipset")
	}
	return names
}

func (e *examination) tools() {
	if e.Config.Host == config.HostNone {
		e.ok("tools", "host: none needs no program")
		return
	}
	var missing []string
	for _, name := range e.programs() {
		if _, err := e.Run.Run(e.ctx, nil, name, "--version"); errors.Is(err, tool.ErrNotFound) {
			missing = append(missing, name)
		}
	}
	switch {
	case len(missing) == 0:
		e.ok("tools", "found: %s", strings.Join(e.programs(), ", "))
	case slices.Contains(missing, "ipset") && len(missing) == 1:
		e.fail("tools", "apt-get install -y ipset || dnf install -y ipset", "ipset is missing; host: iptables does without it, for up to 500 bans")
	default:
		e.fail("tools", "apt-get install -y iptables ipset || dnf install -y iptables-nft ipset", "missing: %s", strings.Join(missing, ", "))
	}
}

// readTimeout bounds the reading of the firewall.
const readTimeout = 30 * time.Second

func (e *examination) firewall() {
	if e.Host == nil {
		return
	}
	ctx, cancel := context.WithTimeout(e.ctx, readTimeout)
	defer cancel()
	host, err := e.Host.Read(ctx, e.Now())
	switch {
	case errors.Is(err, tool.ErrNotPermitted):
		e.fail("firewall", asRoot, "reading it is not permitted: %v", err)
		return
	case errors.Is(err, tool.ErrNoFamily):
		e.fail("firewall", e.loading("nf_tables", "nft_compat", "ip_tables", "ip_set", "ip_set_hash_net", "xt_set"), "the kernel cannot do it: %v", err)
		return
	case err != nil:
		e.fail("firewall", strings.Join(e.reading(), "; "), "it cannot be read: %v", err)
		return
	}
	e.chain(host)
	for _, why := range host.Refused {
		e.fail("hook", e.edit()+" # hook", "%s: what is in force stays, and nothing new is made there", why)
	}
	e.openings(host.Overruled)
	if host.Present && len(host.Overruled) == 0 && len(host.Defects) == 0 {
		e.ok("jump", "nothing before the jump from %s to %s lets new traffic past it", strings.Join(e.Config.Hooks, ", "), e.Config.Chain)
	}
	for _, s := range host.Saved {
		e.fail("saved rules", observed.Unsave(s.Path, s.Chain)+" # and save with: "+observed.SaveWithout(s.Path, s.Chain), "%s", observed.SavedWords(s.Path, s.Chain))
	}
	for _, w := range host.Warnings {
		e.warn("firewall", e.mendOf(host), "%s", w)
	}
}

// openings tells of the ways past our rule. One for some addresses matters only
// to bans of them, of which the warnings tell.
func (e *examination) openings(found []observed.Opening) {
	look := "iptables -S " + strings.Join(e.Config.Hooks, "; iptables -S ")
	for _, o := range found {
		switch {
		case !o.Any():
		case o.Fixed:
			e.fail("jump", e.edit()+" # hook", "%s", o.Why)
		default:
			e.fail("jump", look, "%s; with hook-pin the jump is moved up within 10 minutes", o.Why)
		}
	}
}

// reading gives the commands by which the firewall is read: what one of them
// says is what is wrong.
func (e *examination) reading() []string {
	var commands []string
	for _, f := range observed.Families {
		commands = append(commands, e.Spec.Program(f, "save")+" -t filter")
	}
	if e.Spec.Backend == observed.BackendIPSet {
		commands = append(commands, "ipset list -t")
	}
	return commands
}

// mendOf gives what mends a warning of the firewall: IPv6 is missing, or a hook.
func (e *examination) mendOf(host observed.Host) string {
	if host.NoIPv6 {
		return e.loading("nft_compat", "ip6_tables", "ip6table_filter") + " && " + restartService
	}
	return e.edit() + " # hook"
}

// paused reports whether everything is lifted on request.
func (e *examination) paused() bool {
	s, _ := e.look()
	return s != nil && s.Paused
}

func (e *examination) chain(host observed.Host) {
	switch {
	case !host.Present && e.paused():
		e.ok("firewall", "nothing of ours is there, as the pause asks for")
	case !host.Present:
		e.fail("firewall", startService, "chain, set and jump are not there yet")
	case len(host.Defects) > 0:
		e.fail("firewall", "reconciler apply", "%s (a running daemon repairs it within 10 seconds)", strings.Join(host.Defects, "; "))
	default:
		e.ok("firewall", "chain, set and jump are right; %d entries", len(host.Entries))
	}
}
