// Package config makes one validated struct from what an operator wrote: the
// defaults, then the YAML file, then the environment, then the flags, each
// over the one before. One table (settings.go) drives all four.
package config

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/spf13/pflag"

	"reconciler/internal/observed"
)

// DefaultPath is the file that is read when --config and RECONCILER_CONFIG
// name none. It may be missing; a file that was named may not.
const DefaultPath = "/etc/reconciler/config.yaml"

// The words that settings with a fixed choice can hold.
const (
	NACLAuto = "auto" // the ACLs of this machine's own subnets
	NACLNone = "none" // no ACL at all

	HostIPSet    = "ipset"
	HostIPTables = "iptables"
	HostNone     = "none"

	HostModeAll      = "all"      // the host holds every ban
	HostModeOverflow = "overflow" // the host holds what no ACL has room for

	BlockReject = "reject"
	BlockDrop   = "drop"

	MetricsOff = "off" // no metrics are served

	IptablesAuto   = "auto" // the variant that the plain program names lead to
	IptablesNFT    = "nft"
	IptablesLegacy = "legacy"
)

// Config is everything that can be set, checked. A Config that Load returned
// without an error needs no further check.
type Config struct {
	State []string // logs of bans, paths or s3://…; the first is the one that is appended to
	NACL  []string // auto or none alone, or IDs of Network ACLs

	Rules      observed.Window // the rule numbers that bans may take
	Quota      int             // rules per direction and family, the default deny counted
	Dedicated  bool            // every entry of our shape in the window is ours
	Shape      observed.Shape  // what a ban blocks; all ports is always the zero Ports
	IPv6Prefix int             // IPv6 bans are widened to this many bits

	Host      string   // HostIPSet, HostIPTables or HostNone
	HostMode  string   // HostModeAll or HostModeOverflow
	Chain     string   // the chain that is ours; sets are named after it
	Hooks     []string // the chains that jump to it
	Block     string   // BlockReject or BlockDrop
	HookPin   bool     // a jump that an earlier accept overrules may be moved up
	HostRules int      // most bans that the iptables back end takes
	Iptables  string   // IptablesAuto, IptablesNFT or IptablesLegacy

	Ignore        []netip.Prefix // never banned; masked, no prefix twice
	AllowVPCBans  bool           // addresses of the VPC may be banned
	MinIPv4Prefix int            // the broadest IPv4 ban that is taken, in bits
	MinIPv6Prefix int            // the broadest IPv6 ban that is taken, in bits

	Resync    time.Duration // how often an ACL is read again with nothing to do
	CompactAt int64         // bytes of folded log that start a compaction
	HostID    string        // the name of this host in records
	RunDir    string        // holds the spool of a full disk

	Metrics string // address and port to serve metrics on; empty: none

	Spool    string        // directory of records on their way to S3; empty: they go there at once
	CacheDir string        // directory of what was last read from S3
	Poll     time.Duration // how often S3 is asked for news
	S3       S3

	LogLevel string // trace, debug, info, warn or error
	LogJSON  bool

	File string // the configuration file that was read; empty: none

	said layer // what the file says, for a Keeper
}

// Register adds --config and a flag for every setting. Values are checked by
// Load, which can then name every problem at once.
func Register(fs *pflag.FlagSet) {
	fs.String("config", "", "`FILE` to read settings from (default "+DefaultPath+" where it exists)")
	for i := range settings {
		addFlag(fs, &settings[i])
	}
}

// Load gives the settings in force. environ is in the form of os.Environ. The
// error joins every problem found, each with the place that it came from; the
// Config is not to be used then.
func Load(fs *pflag.FlagSet, environ []string) (Config, error) {
	return load(fs, environ, DefaultPath)
}

func load(fs *pflag.FlagSet, environ []string, defaultPath string) (Config, error) {
	env, envErr := environment(environ)
	path, required := filePath(fs, environ, defaultPath)
	file, read, fileErr := readFile(path, required)
	c, err := resolve(defaults(), file, env, flags(fs))
	if err := errors.Join(fileErr, envErr, err); err != nil {
		return Config{}, err
	}
	if read {
		c.File, c.said = path, file
	}
	return c, nil
}

// given is what one place says about one setting.
type given struct {
	values []string
	origin string // named in errors
}

// layer holds what one place says, by setting.
type layer map[string]given

// resolve lays the layers over each other. A value that a later layer
// replaces is checked all the same: it would bite when that layer goes.
func resolve(layers ...layer) (Config, error) {
	var c Config
	var problems []error
	origins := map[string]string{}
	for _, l := range layers {
		for _, s := range settings {
			g, ok := l[s.name]
			if !ok {
				continue
			}
			origins[s.name] = g.origin
			if err := s.set(&c, g.values); err != nil {
				problems = append(problems, fmt.Errorf("%s: %w", g.origin, err))
			}
		}
	}
	if len(problems) == 0 {
		problems = check(c, origins)
	}
	return c, errors.Join(problems...)
}

func defaults() layer {
	l := layer{}
	for _, s := range settings {
		l[s.name] = given{s.def, "default of --" + s.name}
	}
	return l
}
