package config

import (
	"net/netip"
	"time"

	"reconciler/internal/observed"
)

// setting is one thing that can be set: as a flag, as a key of the YAML file
// and as an environment variable.
type setting struct {
	name  string
	arg   string // what the help shows after the flag; empty for a switch
	list  bool   // may be given more than once
	def   []string
	usage string // one line
	set   func(c *Config, values []string) error
}

// The limits of AWS (Amazon VPC user guide, "Network ACL rules" and "Amazon
// VPC quotas"): rule numbers go up to 32766, and a quota is raised to 40 rules
// at most.
const (
	maxRule  = observed.DefaultRule - 1
	maxQuota = 40
)

// MaxQuota is the most rules that AWS grants for a direction and family.
const MaxQuota = maxQuota

// generalSettings are the rows of the one table (see settings) that are about
// bans, ACLs, the host and the program itself.
var generalSettings = []setting{
	{
		"state", "PATH|s3://BUCKET/PREFIX/|s3://BUCKET/KEY", true,
		[]string{defaultState},
		"log of bans to enforce; commands that write append to the first",
		all(parseState, func(c *Config) *[]string { return &c.State }),
	},
	{
		"nacl", "auto|none|acl-ID", true,
		[]string{NACLAuto},
		"Network ACLs to write to; auto finds those of this machine's subnets",
		allNACLs,
	},
	{
		"rules", "FIRST-LAST", false,
		[]string{"1-90"},
		"rule numbers of an ACL that bans may take",
		one(parseWindow, func(c *Config) *observed.Window { return &c.Rules }),
	},
	{
		"quota", "N", false,
		[]string{"20"},
		"rules per direction and family that AWS grants an ACL, the default deny counted",
		one(between(1, maxQuota, "AWS grants 40 rules at most"), func(c *Config) *int { return &c.Quota }),
	},
	{
		"dedicated", "", false,
		[]string{"false"},
		"treat every entry of our shape in the window as ours, for hosts that are replaced",
		one(parseBool, func(c *Config) *bool { return &c.Dedicated }),
	},
	{
		"protocol", "all|tcp|udp", false,
		[]string{"all"},
		"protocol that a ban blocks, in the ACL and on the host",
		one(parseProtocol, func(c *Config) *string { return &c.Shape.Protocol }),
	},
	{
		"ports", "all|N[-M]", false,
		[]string{"all"},
		"ports that a ban blocks; needs --protocol tcp or udp",
		one(parsePorts, func(c *Config) *observed.Ports { return &c.Shape.Ports }),
	},
	{
		"ipv6-prefix", "BITS", false,
		[]string{"128"},
		"widen IPv6 bans to this prefix length",
		one(between(32, 128, ""), func(c *Config) *int { return &c.IPv6Prefix }),
	},
	{
		"host", "ipset|iptables|none", false,
		[]string{HostIPSet},
		"firewall of this host; iptables makes one rule per ban",
		one(choice(HostIPSet, HostIPTables, HostNone), func(c *Config) *string { return &c.Host }),
	},
	{
		"host-mode", "all|overflow", false,
		[]string{HostModeAll},
		"hold every ban on the host, or only those that no ACL has room for",
		one(choice(HostModeAll, HostModeOverflow), func(c *Config) *string { return &c.HostMode }),
	},
	{
		"chain", "NAME", false,
		[]string{"f2b-reconciler"},
		"chain on this host that holds the bans; sets are named after it",
		one(parseChain, func(c *Config) *string { return &c.Chain }),
	},
	{
		"hook", "CHAIN", true,
		[]string{"INPUT"},
		"chain that jumps to ours; FORWARD and DOCKER-USER for forwarded traffic",
		all(parseHook, func(c *Config) *[]string { return &c.Hooks }),
	},
	{
		"hook-pin", "", false,
		[]string{"true"},
		"move our jump up again when an earlier accept overrules it",
		one(parseBool, func(c *Config) *bool { return &c.HookPin }),
	},
	{
		"block", "reject|drop", false,
		[]string{BlockReject},
		"answer blocked packets on the host with an error, or not at all",
		one(choice(BlockReject, BlockDrop), func(c *Config) *string { return &c.Block }),
	},
	{
		"host-rules", "N", false,
		[]string{"500"},
		"most bans that --host iptables takes; each slows every packet",
		one(between(1, 10000, "use --host ipset for more"), func(c *Config) *int { return &c.HostRules }),
	},
	{
		"iptables", "auto|nft|legacy", false,
		[]string{IptablesAuto},
		"variant of the iptables programs",
		one(choice(IptablesAuto, IptablesNFT, IptablesLegacy), func(c *Config) *string { return &c.Iptables }),
	},
	{
		"ignore", "PREFIX", true, nil,
		"address or prefix that is never banned",
		all(parseIgnore, func(c *Config) *[]netip.Prefix { return &c.Ignore }),
	},
	{
		"allow-vpc-bans", "", false,
		[]string{"false"},
		"allow bans of addresses in the VPC",
		one(parseBool, func(c *Config) *bool { return &c.AllowVPCBans }),
	},
	{
		"min-ipv4-prefix", "BITS", false,
		[]string{"16"},
		"refuse IPv4 bans broader than this prefix length",
		one(between(1, 32, ""), func(c *Config) *int { return &c.MinIPv4Prefix }),
	},
	{
		"min-ipv6-prefix", "BITS", false,
		[]string{"32"},
		"refuse IPv6 bans broader than this prefix length",
		one(between(1, 128, ""), func(c *Config) *int { return &c.MinIPv6Prefix }),
	},
	{
		"resync", "DURATION", false,
		[]string{"60s"},
		"how often an ACL is read again when nothing happens, 5s at least",
		one(parseResync, func(c *Config) *time.Duration { return &c.Resync }),
	},
	{
		"compact-at", "SIZE", false,
		[]string{"1MiB"},
		"size of the folded part of the log that starts a compaction",
		one(parseSize, func(c *Config) *int64 { return &c.CompactAt }),
	},
	{
		"host-id", "NAME", false,
		[]string{"auto"},
		"name of this host in records; auto is the host name",
		one(parseHostID, func(c *Config) *string { return &c.HostID }),
	},
	{
		"run-dir", "DIR", false,
		[]string{"/run/reconciler"},
		"directory for records that a full disk would not take",
		one(parseDir, func(c *Config) *string { return &c.RunDir }),
	},
	{
		"metrics", "off|ADDRESS:PORT", false,
		[]string{MetricsOff},
		"address on which run serves /metrics, /healthz and /readyz, such as 127.0.0.1:9477",
		one(parseMetrics, func(c *Config) *string { return &c.Metrics }),
	},
	{
		"log-level", "trace|debug|info|warn|error", false,
		[]string{"info"},
		"least level that is logged",
		one(choice("trace", "debug", "info", "warn", "error"), func(c *Config) *string { return &c.LogLevel }),
	},
	{
		"log-json", "", false,
		[]string{"false"},
		"log in JSON",
		one(parseBool, func(c *Config) *bool { return &c.LogJSON }),
	},
}

func find(name string) (setting, bool) {
	for _, s := range settings {
		if s.name == name {
			return s, true
		}
	}
	return setting{}, false
}
