package testenv

import (
	"context"
	"errors"
	"strings"
	"testing"

	"reconciler/internal/tool"
)

// CleanFirewall empties the firewall of the namespace: both variants of
// iptables, both families, nftables and all sets. It refuses to run anywhere
// but inside a namespace that Main made.
func CleanFirewall(t testing.TB) {
	t.Helper()
	if !inside() {
		t.Fatal("CleanFirewall outside a namespace of the tests' own would empty the machine's firewall")
	}
	// In the flushing form of restore this text is an empty table.
	const empty = "*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\nCOMMIT\n"
	try(t, empty, "iptables-legacy-restore")
	try(t, empty, "ip6tables-legacy-restore")
	try(t, "", "nft", "flush", "ruleset") // iptables-nft keeps its tables there
	try(t, "", "ipset", "destroy")
}

// try runs a program that may be missing.
func try(t testing.TB, stdin, program string, args ...string) {
	t.Helper()
	// A cleanup runs after the test's context has ended.
	_, err := tool.Exec{}.Run(context.WithoutCancel(t.Context()), []byte(stdin), program, args...)
	if err != nil && !errors.Is(err, tool.ErrNotFound) {
		t.Fatalf("emptying the namespace's firewall: %v", err)
	}
}

// Run runs a program inside the namespace and gives its output; the test ends
// when it fails.
func Run(t testing.TB, stdin, program string, args ...string) string {
	t.Helper()
	if !inside() {
		t.Fatalf("%s %s would run outside the tests' own namespace", program, strings.Join(args, " "))
	}
	out, err := tool.Exec{}.Run(context.WithoutCancel(t.Context()), []byte(stdin), program, args...)
	if err != nil {
		t.Fatalf("running %s %s: %v", program, strings.Join(args, " "), err)
	}
	return string(out)
}
