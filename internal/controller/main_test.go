package controller

import (
	"flag"
	"fmt"
	"os"
	"testing"
)

// TestMain gives the property a fixed seed and few situations, each of which is
// lived some hundred times. To search for new ones, run
// go test -run TestProperty -rapid.seed=0 -rapid.checks=1000.
func TestMain(m *testing.M) {
	if name := os.Getenv(strangerEnv); name != "" {
		if err := beStranger(name); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	flag.Parse()
	given := map[string]bool{}
	flag.Visit(func(f *flag.Flag) { given[f.Name] = true })
	for name, value := range map[string]string{"rapid.seed": "2", "rapid.checks": "3", "rapid.nofailfile": "true", "rapid.shrinktime": "10s"} {
		if !given[name] {
			if err := flag.Set(name, value); err != nil {
				panic(err)
			}
		}
	}
	os.Exit(m.Run())
}
