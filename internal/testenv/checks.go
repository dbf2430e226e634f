package testenv

import (
	"flag"
	"testing"
)

// Checks sets how many cases rapid tries in a test, unless the command line says so.
func Checks(t *testing.T, n string) {
	t.Helper()
	f := flag.Lookup("rapid.checks")
	if before := f.Value.String(); before == f.DefValue {
		if err := f.Value.Set(n); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = f.Value.Set(before) })
	}
}
