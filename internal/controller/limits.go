package controller

import (
	"slices"

	"reconciler/internal/config"
	"reconciler/internal/observed"
	"reconciler/internal/plan"
)

// LimitsOf gives the part of the limits that the configuration fixes.
func LimitsOf(c config.Config) plan.Limits {
	l := plan.Limits{
		Window:     c.Rules,
		Shape:      c.Shape,
		IPv6Prefix: c.IPv6Prefix,
		Quota:      c.Quota,
		Dedicated:  c.Dedicated,
		HostMode:   plan.HostMode(c.HostMode),
		NoHost:     c.Host == config.HostNone,
		HookPin:    c.HookPin,
		Guard:      plan.Guard{MinIPv4: c.MinIPv4Prefix, MinIPv6: c.MinIPv6Prefix},
	}
	if c.Host == config.HostIPTables {
		l.HostCap = c.HostRules
	}
	return l
}

// protected gives everything that must not be banned at this moment: the
// ignore list, this host, its gateways and resolvers, and what the metadata
// tells. The warning names what could not be found out; the rest stands.
func (l *Loop) protected() (ranges []observed.Protected, warning error) {
	c, m := l.Config, l.metadata
	for _, p := range c.Ignore {
		ranges = append(ranges, observed.Protected{Prefix: p, Rule: "--ignore"})
	}
	here, err := l.Here()
	if err != nil { // what could not be read is still there
		here = append(here, slices.DeleteFunc(l.here, func(p observed.Protected) bool { return slices.Contains(here, p) })...)
	}
	l.here = slices.Clone(here)
	ranges = slices.Concat(ranges, here, m.Ranges)
	if !c.AllowVPCBans {
		ranges = append(ranges, m.VPC...)
	}
	return ranges, err
}
