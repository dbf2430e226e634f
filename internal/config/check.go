package config

import (
	"fmt"
	"slices"
	"strings"

	"reconciler/internal/observed"
)

// check holds the rules that concern more than one setting. Each problem
// names the place of the setting that is easiest to mend.
func check(c Config, origins map[string]string) []error {
	var problems []error
	refuse := func(name, format string, args ...any) {
		problems = append(problems, fmt.Errorf("%s: %w", origins[name], fmt.Errorf(format, args...)))
	}
	if c.Shape.Protocol == observed.ProtocolAll && !c.Shape.Ports.All() {
		refuse("ports", "ports need a protocol; add --protocol tcp or --protocol udp")
	}
	if c.IPv6Prefix < c.MinIPv6Prefix {
		refuse("ipv6-prefix", "bans widened to /%d are broader than min-ipv6-prefix /%d allows; raise one or lower the other",
			c.IPv6Prefix, c.MinIPv6Prefix)
	}
	if slices.Contains(c.Hooks, c.Chain) {
		refuse("hook", "%q is our own chain; name the chain that is to jump to it", c.Chain)
	}
	if c.S3.KMSKeyID != "" && !strings.HasPrefix(c.S3.SSE, "aws:kms") {
		refuse("s3-sse-kms-key-id", "a KMS key needs --s3-sse aws:kms")
	}
	if len(c.State) == 0 {
		refuse("state", "no log is named; give at least one")
	}
	for _, err := range checkState(c, origins["state"]) {
		if err != nil {
			refuse("state", "%w", err)
		}
	}
	if len(c.NACL) == 0 {
		refuse("nacl", "no Network ACL is named; write none to use none")
	}
	if len(c.Hooks) == 0 && c.Host != HostNone {
		refuse("hook", "no chain is named; give at least one, or use --host none")
	}
	if c.Host == HostNone && slices.Contains(c.NACL, NACLNone) {
		refuse("host", "with --nacl none and --host none nothing enforces a ban; choose one of them")
	}
	return problems
}
