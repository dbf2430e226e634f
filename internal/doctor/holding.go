package doctor

import (
	"context"
	"net/netip"
	"strings"

	"reconciler/internal/desired"
	"reconciler/internal/tool"
)

// Held is what a jail of fail2ban holds for banned.
type Held struct {
	Jail      string
	Addresses []string
}

// Forget returns the command that makes fail2ban forget it.
func (h Held) Forget() string { return forget(h.Jail, h.Addresses) }

func forget(jail string, addresses []string) string {
	return "fail2ban-client set " + desired.ShellWord(jail) + " unbanip " + strings.Join(addresses, " ")
}

// Holding asks fail2ban which of its jails hold bans of the kind that is meant;
// with a name that jail alone. One that does not answer holds nothing.
func Holding(ctx context.Context, run tool.Runner, jail string, meant func(netip.Prefix) bool) (all []Held) {
	jails := []string{jail}
	if jail == "" {
		out, err := run.Run(ctx, nil, "fail2ban-client", "status")
		if err != nil {
			return nil
		}
		jails = jailsOf(string(out))
	}
	for _, jail := range jails {
		out, err := run.Run(ctx, nil, "fail2ban-client", "get", jail, "banip")
		if err != nil {
			continue
		}
		h := Held{Jail: jail}
		for _, p := range bansIn(string(out)) {
			if meant(p) {
				h.Addresses = append(h.Addresses, word(p))
			}
		}
		if len(h.Addresses) > 0 {
			all = append(all, h)
		}
	}
	return all
}

// bansIn reads the bans out of `fail2ban-client get JAIL banip`.
func bansIn(out string) []netip.Prefix {
	var bans []netip.Prefix
	for _, word := range words(out) {
		if p, err := desired.ParsePrefix(word); err == nil {
			bans = append(bans, p)
		}
	}
	return bans
}
