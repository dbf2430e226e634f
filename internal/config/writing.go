package config

import "github.com/spf13/pflag"

// Writing is what a command that appends to the log needs.
type Writing struct {
	State  string // the log to append to
	HostID string // the name of this host in records
	RunDir string // where the spool of a full disk lies

	Spool    string // directory of records on their way to S3; empty: they go there at once
	CacheDir string // directory of what was last read from S3
	S3       S3
}

// writingSettings are the settings of a Writing beside the log itself.
var writingSettings = []string{
	"host-id", "run-dir", "spool", "cache-dir",
	"s3-timeout", "s3-max-size", "s3-sse", "s3-sse-kms-key-id", "s3-path-style",
}

// RegisterWriting adds --config and the flags of what appending needs.
func RegisterWriting(fs *pflag.FlagSet) {
	all := pflag.NewFlagSet("", pflag.ContinueOnError)
	Register(all)
	for _, name := range append([]string{"config", "state"}, writingSettings...) {
		fs.AddFlag(all.Lookup(name))
	}
}

// WritingState gives the settings of a command that appends. When --state is
// used no file is read and only the variables of these settings count:
// a mistake elsewhere must not keep fail2ban from recording a ban.
func WritingState(fs *pflag.FlagSet, environ []string) (Writing, error) {
	return writingState(fs, environ, DefaultPath)
}

func writingState(fs *pflag.FlagSet, environ []string, defaultPath string) (Writing, error) {
	c, err := writingConfig(fs, environ, defaultPath)
	if err != nil {
		return Writing{}, err
	}
	return c.Writing(), nil
}

func writingConfig(fs *pflag.FlagSet, environ []string, defaultPath string) (Config, error) {
	if f := fs.Lookup("state"); f == nil || !f.Changed {
		return load(fs, environ, defaultPath)
	}
	// The error is about variables that set nothing; they do no harm here.
	env, _ := environment(environ)
	return resolve(defaults(), env.only(writingSettings...), flags(fs).only(append([]string{"state"}, writingSettings...)...))
}

// Writing gives the part of the settings that appending needs.
func (c Config) Writing() Writing {
	return Writing{
		State: c.State[0], HostID: c.HostID, RunDir: c.RunDir, Spool: c.Spool, CacheDir: c.CacheDir, S3: c.S3,
	}
}

// only gives the part of a layer that is about the named settings.
func (l layer) only(names ...string) layer {
	part := layer{}
	for _, name := range names {
		if g, ok := l[name]; ok {
			part[name] = g
		}
	}
	return part
}
