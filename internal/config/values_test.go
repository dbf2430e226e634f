package config

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"reconciler/internal/observed"
)

func TestGoodValuesAreTaken(t *testing.T) {
	tests := []struct {
		args []string
		ok   func(Config) bool
	}{
		{[]string{"--state", "a.jsonl", "--state", "/b/../c.jsonl"}, func(c Config) bool { return len(c.State) == 2 && c.State[1] == "/c.jsonl" }},
		{[]string{"--state", "a.jsonl,./a.jsonl"}, func(c Config) bool { return len(c.State) == 1 }},
		{[]string{"--nacl", "acl-0123", "--nacl", "acl-0123456789abcdef0"}, func(c Config) bool { return len(c.NACL) == 2 }},
		{[]string{"--nacl", "none"}, func(c Config) bool { return c.NACL[0] == NACLNone }},
		{[]string{"--rules", "32766-32766"}, func(c Config) bool { return c.Rules == observed.Window{First: 32766, Last: 32766} }},
		{[]string{"--quota", "40"}, func(c Config) bool { return c.Quota == 40 }},
		{[]string{"--dedicated", "--hook-pin=false"}, func(c Config) bool { return c.Dedicated && !c.HookPin }},
		{[]string{"--protocol", "tcp"}, func(c Config) bool { return c.Shape == observed.Shape{Protocol: "6"} }},
		{[]string{"--protocol", "udp", "--ports", "0-65535"}, func(c Config) bool { return c.Shape == observed.Shape{Protocol: "17"} }},
		{[]string{"--protocol", "all", "--ports", "0-65535"}, func(c Config) bool { return c.Shape == observed.Shape{Protocol: "-1"} }},
		{[]string{"--protocol", "tcp", "--ports", "22"}, func(c Config) bool { return c.Shape.Ports == observed.Ports{From: 22, To: 22} }},
		{[]string{"--protocol", "tcp", "--ports", "0-1023"}, func(c Config) bool { return c.Shape.Ports == observed.Ports{From: 0, To: 1023} }},
		{[]string{"--ipv6-prefix", "64"}, func(c Config) bool { return c.IPv6Prefix == 64 }},
		{[]string{"--ignore", "::ffff:192.0.2.9"}, func(c Config) bool { return c.Ignore[0] == netip.MustParsePrefix("192.0.2.9/32") }},
		{[]string{"--ignore", "::ffff:192.0.2.9/120"}, func(c Config) bool { return c.Ignore[0] == netip.MustParsePrefix("192.0.2.0/24") }},
		{[]string{"--ignore", "192.0.2.9/24,192.0.2.0/24"}, func(c Config) bool { return len(c.Ignore) == 1 }},
		{[]string{"--resync", "5s"}, func(c Config) bool { return c.Resync == 5*time.Second }},
		{[]string{"--compact-at", "4096"}, func(c Config) bool { return c.CompactAt == 4096 }},
		{[]string{"--compact-at", "2 GiB"}, func(c Config) bool { return c.CompactAt == 2<<30 }},
		{[]string{"--host-id", "i-0abc:1"}, func(c Config) bool { return c.HostID == "i-0abc:1" }},
		{[]string{"--host", "none", "--hook", "DOCKER-USER"}, func(c Config) bool { return c.Host == HostNone }},
	}
	for _, tt := range tests {
		t.Run(strings.Join(tt.args, " "), func(t *testing.T) {
			if c := mustLoad(t, tt.args, nil, ""); !tt.ok(c) {
				t.Errorf("%q was taken, but gave %+v", tt.args, c)
			}
		})
	}
}

func TestBadValuesAreRefusedWithTheMend(t *testing.T) {
	tests := []struct{ args, want string }{
		{"--state http://x/y", "neither a path"},
		{"--state /var/lib/", "is a directory"},
		{"--state a\x01b", "control character"},
		{"--state=", "the path is empty"},
		{"--nacl auto,acl-1", "auto stands alone"},
		{"--nacl acl-1 --nacl none", "none stands alone"},
		{"--nacl subnet-1", "is no Network ACL"},
		{"--nacl none --host none", "nothing enforces a ban"},
		{"--rules 0-5", "within 1-32766"},
		{"--rules 5-1", "no range of rule numbers"},
		{"--rules 1-32767", "within 1-32766"},
		{"--rules 1--5", "no range of rule numbers"},
		{"--rules 7", "write FIRST-LAST"},
		{"--quota 0", "from 1 to 40"},
		{"--quota 41", "AWS grants 40 rules at most"},
		{"--quota x", "not a whole number"},
		{"--dedicated=maybe", "neither true nor false"},
		{"--protocol icmp", "none of all, tcp, udp"},
		{"--ports 22", "add --protocol tcp"},
		{"--protocol tcp --ports 0", "no port or range"},
		{"--protocol tcp --ports 22-21", "no port or range"},
		{"--protocol tcp --ports 1-65536", "no port or range"},
		{"--protocol tcp --ports +22", "no port or range"},
		{"--ipv6-prefix 31", "from 32 to 128"},
		{"--ipv6-prefix 48 --min-ipv6-prefix 56", "broader than min-ipv6-prefix /56"},
		{"--host nft", "none of ipset, iptables, none"},
		{"--host-mode some", "none of all, overflow"},
		{"--chain INPUT", "belongs to the firewall itself"},
		{"--chain abcdefghijklmnopqrstuvwxyz0", "up to 26"},
		{"--chain -x", "no name for a chain"},
		{"--hook f2b-reconciler", "is our own chain"},
		{"--hook OUTPUT", "never sees a packet"},
		{"--block accept", "none of reject, drop"},
		{"--host-rules 10001", "use --host ipset"},
		{"--iptables ebtables", "none of auto, nft, legacy"},
		{"--ignore example.com", "no address or prefix"},
		{"--ignore fe80::1%eth0", "has a zone"},
		{"--ignore 0.0.0.0/0", "nothing could be banned"},
		{"--ignore ::ffff:0.0.0.0/96", "nothing could be banned"},
		{"--ignore ::ffff:0.0.0.0/90", "no address or prefix"},
		{"--min-ipv4-prefix 33", "from 1 to 32"},
		{"--resync 4s", "from 5s to 24h"},
		{"--resync 60", "with a unit"},
		{"--compact-at 4095", "no size"},
		{"--compact-at 99999999999999999999", "no size"},
		{"--compact-at 1MB", "no size"},
		{"--host-id a/b", "no name of a host"},
		{"--run-dir run", "not absolute"},
		{"--log-level verbose", "none of trace, debug"},
	}
	for _, tt := range tests {
		t.Run(tt.args, func(t *testing.T) {
			_, err := loadWith(t, strings.Fields(tt.args), nil, "")
			if err == nil {
				t.Fatalf("%s was taken", tt.args)
			}
			if !strings.Contains(err.Error(), tt.want) {
				t.Errorf("the error of %s does not say %q: %v", tt.args, tt.want, err)
			}
			if strings.ContainsAny(err.Error(), "\x01\x1b") {
				t.Errorf("the error of %s holds a raw control character: %q", tt.args, err)
			}
		})
	}
}

func TestAnyHostNameIsMadeFitForARecord(t *testing.T) {
	for name, want := range map[string]string{
		"bastion-1.example.org":  "bastion-1.example.org",
		"":                       "localhost",
		"a b\nc":                 "a-b-c",
		"bücher":                 "b-cher",
		strings.Repeat("x", 300): strings.Repeat("x", 255),
	} {
		if got := cleanHostID(name); got != want || !hostID().MatchString(got) {
			t.Errorf("host name %q became %q, not %q", name, got, want)
		}
	}
}
