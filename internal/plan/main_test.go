package plan

import (
	"flag"
	"os"
	"testing"
)

// TestMain gives the properties a fixed seed, so that a run can be repeated
// and a failure is a failure for everybody. To search for new cases, run
// go test -run TestProperty -rapid.seed=0 -rapid.checks=200000.
func TestMain(m *testing.M) {
	flag.Parse()
	given := map[string]bool{}
	flag.Visit(func(f *flag.Flag) { given[f.Name] = true })
	for name, value := range map[string]string{"rapid.seed": "20260925", "rapid.checks": "800", "rapid.nofailfile": "true"} {
		if !given[name] {
			if err := flag.Set(name, value); err != nil {
				panic(err)
			}
		}
	}
	os.Exit(m.Run())
}
