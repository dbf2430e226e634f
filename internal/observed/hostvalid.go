package observed

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Limits on names. A chain's name may have 28 bytes (XT_EXTENSION_MAXNAMELEN)
// and a set's 31 (IPSET_MAXNAMELEN); ours carry "-v4" and, while a set is
// rebuilt, "-t" behind the chain's name.
const (
	maxChain = 26
	maxHook  = 28
)

// Validate tells every field that cannot be used. Nothing of a spec that did
// not pass may reach a program's input.
func (s HostSpec) Validate() error {
	return errors.Join(
		oneOf("host back end", s.Backend, BackendIPSet, BackendIPTables),
		oneOf("block", s.Block, BlockReject, BlockDrop),
		oneOf("iptables variant", s.Variant, "", "nft", "legacy"),
		validChain("chain", s.Chain, maxChain),
		validOwn(s.Chain),
		validHooks(s.Hooks, s.Chain),
		validShape(s.Shape),
		validMax(s.MaxEntries),
	)
}

func oneOf(what, value string, allowed ...string) error {
	if slices.Contains(allowed, value) {
		return nil
	}
	return fmt.Errorf("%s %q: it is one of %q", what, value, allowed)
}

// validChain keeps to bytes that no program's input language gives a meaning,
// and to a first byte that cannot be taken for an option.
func validChain(what, name string, longest int) error {
	if name == "" || len(name) > longest {
		return fmt.Errorf("%s %q: a name has 1 to %d characters", what, name, longest)
	}
	for i := range len(name) {
		c := name[i]
		letter := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
		if !letter && (i == 0 || !strings.ContainsRune("_.-", rune(c))) {
			return fmt.Errorf("%s %q: a name has letters, digits and _ . - only, and begins with a letter or a digit", what, name)
		}
	}
	return nil
}

// reserved are the built-in chains and targets: a chain of that name is
// refused, or hides the target.
var reserved = []string{
	"INPUT", "FORWARD", "OUTPUT", "PREROUTING", "POSTROUTING",
	"ACCEPT", "DROP", "REJECT", "RETURN", "QUEUE", "NFQUEUE", "LOG", "DOCKER-USER",
}

func validOwn(chain string) error {
	if slices.Contains(reserved, chain) {
		return fmt.Errorf("chain %q: the name belongs to the system; choose one of your own", chain)
	}
	return nil
}

func validHooks(hooks []string, chain string) error {
	if len(hooks) == 0 {
		return errors.New("hook: at least one is needed, else nothing is blocked")
	}
	for i, hook := range hooks {
		if err := validChain("hook", hook, maxHook); err != nil {
			return err
		}
		switch {
		case hook == chain:
			return fmt.Errorf("hook %q: a chain cannot be entered from itself", hook)
		case slices.Contains(hooks[:i], hook):
			return fmt.Errorf("hook %q: named twice", hook)
		case hook == "OUTPUT" || hook == "PREROUTING" || hook == "POSTROUTING":
			return fmt.Errorf("hook %q: no inbound packet passes it in the filter table; use INPUT or FORWARD", hook)
		}
	}
	return nil
}

func validShape(s Shape) error {
	if err := oneOf("protocol", s.Protocol, ProtocolAll, ProtocolTCP, ProtocolUDP); err != nil {
		return err
	}
	p := s.Ports
	if p.From < 0 || p.To > 65535 || p.From > p.To {
		return fmt.Errorf("ports %d-%d: they lie between 0 and 65535, the lower first", p.From, p.To)
	}
	if s.Protocol == ProtocolAll && !p.All() {
		return fmt.Errorf("ports %d-%d: ports need the protocol tcp or udp", p.From, p.To)
	}
	return nil
}

func validMax(n int) error {
	const kernelMax = 1<<32 - 1 // IPSET_ATTR_MAXELEM is 32 bits wide
	if n < 1 || n > kernelMax {
		return fmt.Errorf("most entries %d: at least 1, at most %d", n, kernelMax)
	}
	return nil
}
