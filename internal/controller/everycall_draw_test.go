package controller

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"time"

	"pgregory.net/rapid"

	"reconciler/internal/config"
	"reconciler/internal/ec2sim"
)

// situation is a bastion on which something is to change: what is enforced, who
// else uses its ACLs, and the bans that come and go.
type situation struct {
	acls     int
	quota    int
	hostMode string
	noHost   bool
	theirs   [][]ec2sim.Entry // by ACL: what is not ours; it may be over the quota
	first    []netip.Prefix   // banned when the situation begins
	ends     []netip.Prefix   // of these, what ends by itself soon after
	lifted   []netip.Prefix   // and what is lifted
	added    []netip.Prefix   // what is banned then
	later    []netip.Prefix   // what of these is lifted again
	hits     int              // how many calls in a row go wrong
	edit     int              // what somebody does by hand, and where
}

func (s situation) String() string {
	return fmt.Sprintf("%d ACLs, quota %d, host %t %s, %d in a row, edit %d\ntheirs %v\nfirst %v\nends %v\nlifted %v\nadded %v\nlifted later %v",
		s.acls, s.quota, !s.noHost, s.hostMode, s.hits, s.edit, s.theirs, s.first, s.ends, s.lifted, s.added, s.later)
}

// The pools are small, so that covers and shadows are common.
var everyPool = []string{
	"203.0.113.0/29", "203.0.113.1/32", "203.0.113.2/32", "203.0.113.3/32", "203.0.113.77/32", "203.0.113.78/32", "203.0.113.79/32",
	"198.51.100.1/32", "198.51.100.2/32", "198.51.100.3/32",
	"2001:db8:1::/64", "2001:db8:1::1/128", "2001:db8:1::2/128", "2001:db8:1::3/128", "2001:db8:2::1/128", "2001:db8:2::2/128",
}

// everyWindow is the last rule number that bans may take.
const everyWindow = 14

func drawSituation(t *rapid.T) situation {
	s := situation{
		acls:     rapid.IntRange(1, 2).Draw(t, "ACLs"),
		hostMode: rapid.SampledFrom([]string{config.HostModeAll, config.HostModeOverflow}).Draw(t, "host mode"),
		noHost:   rapid.IntRange(0, 4).Draw(t, "no host") == 4,
		hits:     rapid.IntRange(1, 3).Draw(t, "hits"), edit: rapid.IntRange(0, 11).Draw(t, "edit"),
	}
	for range s.acls {
		s.theirs = append(s.theirs, drawTheirs(t))
	}
	s.quota = drawQuota(t, s.theirs)
	bans := rapid.Permutation(prefixesOf(everyPool)).Draw(t, "bans")
	cut := rapid.IntRange(3, 10).Draw(t, "first bans")
	s.first, s.added = bans[:cut], bans[cut:min(len(bans), cut+rapid.IntRange(1, 6).Draw(t, "added bans"))]
	s.lifted = s.first[:rapid.IntRange(0, min(4, cut)).Draw(t, "lifted bans")]
	s.ends = s.first[len(s.lifted):][:rapid.IntRange(0, min(2, cut-len(s.lifted))).Draw(t, "ending bans")]
	s.later = s.added[:rapid.IntRange(0, min(2, len(s.added))).Draw(t, "bans lifted later")]
	return s
}

// drawQuota leaves room for at least four bans in every ACL, or else, on purpose,
// hardly any or none.
func drawQuota(t *rapid.T, theirs [][]ec2sim.Entry) int {
	if rapid.IntRange(0, 4).Draw(t, "crowded") == 4 {
		return rapid.IntRange(3, 6).Draw(t, "small quota")
	}
	most := 0
	for _, entries := range theirs {
		six := len(keep(entries, func(e ec2sim.Entry) bool { return e.Prefix.Addr().Is6() }))
		most = max(most, six, len(entries)-six)
	}
	return most + 1 + rapid.IntRange(4, 6).Draw(t, "room") // 1: the default deny
}

// drawTheirs gives entries of somebody else: of other shapes in the window,
// allows among them, of our shape and unknown there, and any number behind it.
func drawTheirs(t *rapid.T) []ec2sim.Entry {
	var out []ec2sim.Entry
	for range rapid.IntRange(0, 2).Draw(t, "foreign entries") {
		out = append(out, ec2sim.Entry{
			Number: rapid.IntRange(1, everyWindow).Draw(t, "foreign number"), Protocol: "6", Ports: ec2sim.PortRange{From: 443, To: 443},
			Prefix: rapid.SampledFrom(prefixesOf([]string{"192.0.2.0/24", "198.51.100.0/24", "2001:db8:2::/64"})).Draw(t, "foreign prefix"),
			Allow:  rapid.Bool().Draw(t, "allow"),
		})
	}
	for range rapid.IntRange(0, 2).Draw(t, "unclaimed entries") {
		n := rapid.IntRange(1, everyWindow).Draw(t, "unclaimed number")
		out = append(out, ec2sim.Entry{Number: n, Protocol: "-1", Prefix: netip.MustParsePrefix(fmt.Sprintf("192.0.2.%d/32", n))})
	}
	for i := range rapid.IntRange(0, 5).Draw(t, "entries behind the window") {
		prefix := rapid.SampledFrom(prefixesOf([]string{"192.0.2.128/25", "2001:db8:9::/64"})).Draw(t, "prefix behind the window")
		out = append(out, ec2sim.Entry{Number: 200 + i, Protocol: "-1", Prefix: prefix, Allow: true})
	}
	slices.SortFunc(out, func(a, b ec2sim.Entry) int { return a.Number - b.Number })
	return slices.CompactFunc(out, func(a, b ec2sim.Entry) bool { return a.Number == b.Number })
}

func prefixesOf(texts []string) []netip.Prefix {
	out := make([]netip.Prefix, len(texts))
	for i, text := range texts {
		out[i] = netip.MustParsePrefix(text)
	}
	return out
}

// mishap is one thing that goes wrong, at one call.
type mishap struct {
	target string // "acl 0", "acl 1" or "host"; empty: nothing goes wrong
	index  int    // of the call to that target
	kind   string
}

func (m mishap) String() string {
	if m.target == "" {
		return "nothing goes wrong"
	}
	return fmt.Sprintf("%s at call %d to %s", m.kind, m.index, m.target)
}

// What goes wrong besides the faults of the EC2 endpoint.
const (
	handEdit  = "hand-edit"       // right after the call somebody edits the ACL
	runBefore = "run-fails"       // a program fails without an effect
	runAfter  = "run-tells-wrong" // it has its effect and fails all the same
)

// mishaps gives every one that can befall a call.
func mishapsOf(target, action string, index int) []mishap {
	kinds := []string{handEdit}
	faults := []ec2sim.FaultKind{
		ec2sim.Throttle, ec2sim.FailBefore, ec2sim.FailAfter, ec2sim.ResetBefore, ec2sim.ResetAfter,
		ec2sim.HangBefore, ec2sim.HangAfter, ec2sim.Truncate, ec2sim.Garbage, ec2sim.LateEffect,
	}
	switch {
	case target == "host":
		kinds, faults = []string{runBefore, runAfter}, nil
	case action == describe: // it has no effect to come before or after
		faults = []ec2sim.FaultKind{ec2sim.Throttle, ec2sim.FailBefore, ec2sim.ResetBefore, ec2sim.HangBefore, ec2sim.Truncate, ec2sim.Garbage, ec2sim.Stale}
	}
	for _, f := range faults {
		kinds = append(kinds, string(f))
	}
	out := make([]mishap, 0, len(kinds))
	for _, k := range kinds {
		out = append(out, mishap{target, index, k})
	}
	return out
}

// everyKind names the mishaps of all targets.
func everyKind() []string {
	kinds := map[string]bool{}
	for _, m := range slices.Concat(mishapsOf("host", "", 0), mishapsOf("acl 0", describe, 0), mishapsOf("acl 0", "CreateNetworkAclEntry", 0)) {
		kinds[m.kind] = true
	}
	return slices.Sorted(maps.Keys(kinds))
}

const describe = "DescribeNetworkAcls"

// soonEnds is how long the bans of a situation last that end by themselves,
// others everyBan.
const (
	soonEnds = 65 * time.Second
	everyBan = 24 * time.Hour
)
