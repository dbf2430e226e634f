package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/google/renameio/v2"
	"github.com/spf13/pflag"

	"reconciler/internal/desired"
)

// Keeper keeps what the configuration file last said that could be used, for a
// start at which it says nothing that can. Flags and variables are not kept: they
// are whatever the start itself was given.
type Keeper struct {
	fs      *pflag.FlagSet
	environ []string
	file    string // the configuration file
	path    string // where its copy lies; empty: nowhere
}

// NewKeeper returns the keeper of the file that Load would read. The copy lies
// beside the log that flags, variables and defaults name: what the file itself
// says of the log is not known when it cannot be read.
func NewKeeper(fs *pflag.FlagSet, environ []string) Keeper {
	return newKeeper(fs, environ, DefaultPath)
}

func newKeeper(fs *pflag.FlagSet, environ []string, defaultPath string) Keeper {
	k := Keeper{fs: fs, environ: environ}
	k.file, _ = filePath(fs, environ, defaultPath)
	env, _ := environment(environ) // Load complains of the rest
	c, err := resolve(defaults(), env, flags(fs))
	if err != nil {
		return k
	}
	k.path = c.State[0] + ".config"
	if desired.IsAddress(c.State[0]) {
		k.path = filepath.Join(c.CacheDir, "bans.config")
	}
	return k
}

// Save keeps what the file said, in one step.
func (k Keeper) Save(c Config) error {
	if k.path == "" || c.File == "" {
		return nil
	}
	desired.SweepPending(k.path)
	text := k.text(c.said)
	if have, err := os.ReadFile(k.path); err == nil && bytes.Equal(have, text) {
		return nil
	}
	if err := renameio.WriteFile(k.path, text, 0o600); err != nil {
		return fmt.Errorf("keeping a copy of configuration %q: %w", c.File, err)
	}
	return nil
}

// Load returns the settings in force with the copy in the file's place. File is
// the copy then.
func (k Keeper) Load() (Config, error) {
	if k.path == "" {
		return Config{}, errors.New("no copy of the configuration is kept")
	}
	data, err := readTrusted(k.path)
	if err != nil {
		return Config{}, fmt.Errorf("reading the copy of the configuration: %w", err)
	}
	if !bytes.HasPrefix(data, k.head()) {
		return Config{}, fmt.Errorf("%q is no copy of %q", k.path, k.file)
	}
	file, fileErr := parseYAML(k.path, data)
	env, envErr := environment(k.environ)
	c, err := resolve(defaults(), file, env, flags(k.fs))
	if err := errors.Join(fileErr, envErr, err); err != nil {
		return Config{}, err
	}
	c.File, c.said = k.path, file
	return c, nil
}

// head is the first line of a copy. It names the file, since another daemon may
// keep its copy in the same place.
func (k Keeper) head() []byte {
	return fmt.Appendf(nil, "# What %q last said that could be used. The daemon writes this, and reads it when it cannot use that.\n", k.file)
}

func (k Keeper) text(said layer) []byte {
	text := k.head()
	for _, s := range settings {
		g, ok := said[s.name]
		if !ok {
			continue
		}
		var value any = g.values
		if !s.list {
			value = g.values[0]
		}
		quoted, err := json.Marshal(value) // JSON is YAML
		if err != nil {
			continue // strings can always be written
		}
		text = fmt.Appendf(text, "%s: %s\n", s.name, quoted)
	}
	return text
}
