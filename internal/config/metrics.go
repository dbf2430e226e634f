package config

import (
	"fmt"
	"net/netip"
)

// parseMetrics takes one address of this machine with a port. Names and
// wildcards are refused: the figures tell an attacker who is banned where, so
// who may reach them is to be said.
func parseMetrics(text string) (string, error) {
	if text == MetricsOff {
		return "", nil
	}
	at, err := netip.ParseAddrPort(text)
	if err != nil || at.Port() == 0 {
		return "", fmt.Errorf("%q is no address with a port; write off, 127.0.0.1:9477 or [::1]:9477", text)
	}
	if at.Addr().IsUnspecified() {
		return "", fmt.Errorf("%q would be open to everybody; name one address of this machine, such as 127.0.0.1:%d", text, at.Port())
	}
	return at.String(), nil
}
