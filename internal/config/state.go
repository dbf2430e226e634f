package config

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"reconciler/internal/desired"
)

// defaultState is the log in the directory that the package makes.
const defaultState = "/var/lib/reconciler/bans.jsonl"

// checkState refuses logs that a setting which stays cannot mean: the daemon has
// another working directory than who wrote it, and in the file a directory that is
// not there is a slip of the finger behind which every ban would be missing. A log
// that was there before is no slip: it is away, and what it wants stays in force.
// A flag is for the one command that it is given to.
func checkState(c Config, origin string) []error {
	if origin == "flag --state" {
		return nil
	}
	var problems []error
	for _, state := range c.State {
		switch {
		case desired.IsAddress(state) || state == defaultState:
		case !filepath.IsAbs(state):
			problems = append(problems, fmt.Errorf("%q is not absolute; begin it with a slash, or write s3://bucket/prefix/", state))
		case !strings.HasPrefix(origin, variableOrigin):
			problems = append(problems, checkPlace(c, state))
		}
	}
	return problems
}

// checkPlace refuses a log that has no directory and never had one.
func checkPlace(c Config, state string) error {
	dir := filepath.Dir(state)
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ENOTDIR) {
		return nil // the rest is for whoever opens it
	}
	if _, known := Recall(c)[state]; known {
		return nil
	}
	return fmt.Errorf("%q cannot be made: there is no directory %s; mend the path, or make it: mkdir -p %s", state, dir, desired.ShellWord(dir))
}

// Recall returns the configured logs that any snapshot knows of. One that is
// configured no longer is not missed.
func Recall(c Config) map[string]desired.Origin {
	known := map[string]desired.Origin{}
	for _, state := range c.State {
		if !desired.IsAddress(state) {
			maps.Copy(known, desired.RememberedSources(state))
		} else if a, err := desired.ParseAddress(state); err == nil {
			maps.Copy(known, desired.CachedSources(c.CacheDir, a, c.HostID))
		}
	}
	configured := map[string]desired.Origin{}
	for _, state := range c.State {
		if o, ok := known[state]; ok {
			configured[state] = o
		}
	}
	return configured
}
