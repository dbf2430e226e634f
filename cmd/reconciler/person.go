package main

import (
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// forPerson reports whether somebody may read what a command did. fail2ban's
// action always names the log with --state and has pipes to write to, and is to
// stay silent and quick.
func (a *appender) forPerson() bool {
	return !a.cmd.Flags().Changed("state") || isTerminal(os.Stdout) || isTerminal(os.Stderr)
}

// atTerminal reports whether a person sits there who can answer.
func atTerminal() bool {
	return slices.ContainsFunc([]*os.File{os.Stdin, os.Stdout, os.Stderr}, isTerminal)
}

func isTerminal(file *os.File) bool {
	_, err := unix.IoctlGetTermios(int(file.Fd()), unix.TCGETS)
	return err == nil
}

// say tells a person what was done.
func (a *appender) say(format string, args ...any) error {
	_, err := fmt.Fprintln(a.cmd.OutOrStdout(), printable(fmt.Sprintf(format, args...)))
	return err
}

// mostNamed is how many of a list are named in one line; the rest are counted.
const mostNamed = 20

// listed joins what one line names.
func listed(names []string) string {
	if n := len(names) - mostNamed; n > 0 {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:mostNamed], ", "), n)
	}
	return strings.Join(names, ", ")
}

// short gives a prefix as people write it.
func short(p netip.Prefix) string {
	if p.IsSingleIP() {
		return p.Addr().String()
	}
	return p.String()
}

// sized gives a prefix with the number of its addresses, since a slip of the
// finger makes one address into 256.
func sized(p netip.Prefix) string {
	switch bits := p.Addr().BitLen() - p.Bits(); {
	case bits == 0:
		return short(p)
	case bits < 32:
		return fmt.Sprintf("%s (%d addresses)", p, 1<<bits)
	default:
		return fmt.Sprintf("%s (2^%d addresses)", p, bits)
	}
}
