package controller

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"reconciler/internal/config"
	"reconciler/internal/ec2sim"
	"reconciler/internal/hostfake"
)

// everyPlace is a ban at one ACL with the host behind it.
type everyPlace struct {
	ban netip.Prefix
	acl string
}

// everyWatch checks every promise that a single call can break, after each call
// to EC2 and after each run of a program.
type everyWatch struct {
	*world
	noHost bool
	ids    []string

	mu       sync.Mutex
	wanted   map[netip.Prefix]time.Time // its end
	edge     map[string][]ec2sim.Entry
	theirs   map[string]map[int]ec2sim.Entry
	blind    map[string]map[int]bool // edited by hand since the ACL was last described
	edited   map[string]time.Time    // when somebody last edited the ACL
	held     map[everyPlace]bool
	calls    map[string][]string         // actions, by target, while the watch counts
	writes   map[string]map[int][]string // actions, by number
	counting bool
	fails    func(target string, index int) (before, after bool) // of the host's runs
	edit     func(acl string, index int)
	between  int
	troubles []string
}

func (v *everyWatch) trouble(format string, args ...any) {
	v.troubles = append(v.troubles, fmt.Sprintf("%s: %s", time.Now().UTC().Format(time.TimeOnly), fmt.Sprintf(format, args...)))
}

// target names the ACL that a call is about.
func (v *everyWatch) target(c ec2sim.Call) (string, string) {
	for i, id := range v.ids {
		if c.Params.Get("NetworkAclId") == id || c.Params.Get("NetworkAclId.1") == id {
			return id, fmt.Sprintf("acl %d", i)
		}
	}
	return "", ""
}

func (v *everyWatch) afterCall(c ec2sim.Call) {
	v.mu.Lock()
	defer v.mu.Unlock()
	id, target := v.target(c)
	if id == "" {
		return
	}
	before, after := v.edge[id], v.sim.Entries(id)
	v.edge[id] = after
	v.onlyOurs(c, id, after)
	v.quota(c, before, after)
	v.effective(c, id, after)
	v.review(c.Action)
	if c.Write && v.blind[id][number(c)] {
		v.between++
	}
	if c.Action == describe && c.Code == "" {
		clear(v.blind[id])
	}
	if v.counting && !c.Late {
		index := len(v.calls[target])
		v.calls[target] = append(v.calls[target], c.Action)
		if c.Write {
			v.writes[id][number(c)] = append(v.writes[id][number(c)], c.Action)
		}
		if v.edit != nil {
			v.edit(target, index)
		}
	}
}

func number(c ec2sim.Call) int {
	var n int
	_, _ = fmt.Sscan(c.Params.Get("RuleNumber"), &n)
	return n
}

// onlyOurs: what is not ours stays as it is. Replace and Delete have no
// condition: an edit between the look and the write nobody can see.
func (v *everyWatch) onlyOurs(c ec2sim.Call, id string, after []ec2sim.Entry) {
	for n, e := range v.theirs[id] {
		if slices.Contains(after, e) {
			continue
		}
		if v.blind[id][n] && c.Write && number(c) == n {
			delete(v.theirs[id], n)
			continue
		}
		v.trouble("%s changed rule %d of %s, which is not ours: %v", c.Action, n, id, e)
	}
	if c.Write && c.Params.Get("Egress") == "true" {
		v.trouble("%s is about the outbound direction", c.Action)
	}
}

// quota: a call never makes a family that is full fuller.
func (v *everyWatch) quota(c ec2sim.Call, before, after []ec2sim.Entry) {
	for _, six := range []bool{false, true} {
		family := func(e ec2sim.Entry) bool { return !e.Egress && e.Prefix.Addr().Is6() == six }
		was, is := len(keep(before, family)), len(keep(after, family))
		if is > was && is > v.sim.Quota() {
			v.trouble("%s made %d entries of %d allowed", c.Action, is, v.sim.Quota())
		}
	}
}

// effective: nothing is written where a lower allow overrules it.
func (v *everyWatch) effective(c ec2sim.Call, id string, after []ec2sim.Entry) {
	if !c.Changed || c.Action == "DeleteNetworkAclEntry" || len(v.blind[id]) > 0 {
		return
	}
	for _, e := range after {
		if !e.Egress && !e.Allow && e.Number == number(c) && shadowed(after, e) {
			v.trouble("%s wrote rule %d, which a lower allow overrules", c.Action, e.Number)
		}
	}
}

// beforeRun and afterRun are the hooks of the firewall.
func (v *everyWatch) beforeRun(c hostfake.Call) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if !v.counting {
		return nil
	}
	v.calls["host"] = append(v.calls["host"], c.Program)
	if before, _ := v.fails("host", len(v.calls["host"])-1); before {
		return hostfake.Complaint(c, "made to fail before its effect")
	}
	return nil
}

func (v *everyWatch) afterRun(c hostfake.Call) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.review(c.String())
	if !v.counting {
		return nil
	}
	if _, after := v.fails("host", len(v.calls["host"])-1); after {
		return hostfake.Complaint(c, "made to fail after its effect")
	}
	return nil
}

// review: what was enforced and is wanted is enforced. Where no host stands behind
// it, what somebody took out of an ACL is missed until the ACL is read again, and
// that read must be too late to be an echo of our own write.
func (v *everyWatch) review(by string) {
	behind := v.config.HostMode == config.HostModeAll && !v.noHost
	for at, now := range v.standing() {
		missed := !behind && time.Since(v.edited[at.acl]) < settleTime+v.config.Resync+time.Second
		if v.held[at] && !now.enforced && !missed {
			v.trouble("after %s nothing enforces %s at %s any more", by, at.ban, at.acl)
		}
		v.held[at] = now.enforced && now.firm
	}
}

// standing is how a ban stands at an ACL.
type standing struct {
	enforced bool
	firm     bool // it must stay so: without a host a cover that goes may leave more than it has room for
}

// standing says of every wanted ban at every ACL how it stands.
func (v *everyWatch) standing() map[everyPlace]standing {
	out := map[everyPlace]standing{}
	for p, end := range v.wanted {
		if !time.Now().Before(end) {
			continue
		}
		for _, id := range v.ids {
			exact := slices.ContainsFunc(v.edge[id], func(e ec2sim.Entry) bool { return !e.Egress && !e.Allow && e.Prefix == p })
			out[everyPlace{p, id}] = standing{blockedAtEdge(v.edge[id], p) || v.hostBlocks(p), exact || !v.noHost}
		}
	}
	return out
}

func (v *everyWatch) hostBlocks(p netip.Prefix) bool {
	return !v.noHost && v.fw.Blocked(p.Addr(), 22) && (p.IsSingleIP() || v.fw.Blocked(lastAddr(p), 22))
}

// byHand is an edit of one ACL by somebody else: an entry of ours is taken away
// or written over, or a free number of ours is taken.
func (v *everyWatch) byHand(id string, what, which int) {
	ours := keep(v.edge[id], func(e ec2sim.Entry) bool {
		_, theirs := v.theirs[id][e.Number]
		return !e.Egress && !e.Allow && !e.Default() && !theirs
	})
	n := 1
	for slices.ContainsFunc(v.edge[id], func(e ec2sim.Entry) bool { return !e.Egress && e.Number == n }) {
		n++
	}
	theirs := ec2sim.Entry{Protocol: "17", Prefix: netip.MustParsePrefix("192.0.2.99/32"), Ports: ec2sim.PortRange{From: 53, To: 53}}
	var err error
	switch {
	case what == 0 && len(ours) > 0:
		n = ours[which%len(ours)].Number
		err = v.sim.RemoveEntry(id, false, n)
	default:
		if what == 1 && len(ours) > 0 {
			n = ours[which%len(ours)].Number
			if ours[which%len(ours)].Prefix.Addr().Is6() {
				theirs.Prefix = netip.MustParsePrefix("2001:db8:99::/64")
			}
		}
		theirs.Number = n
		if err = v.sim.PutEntry(id, theirs); err == nil {
			v.theirs[id][n] = theirs
		}
	}
	if err != nil && !strings.Contains(err.Error(), "NetworkAclEntryLimitExceeded") {
		v.trouble("the hand edit: %v", err)
	}
	v.blind[id][n], v.edited[id] = true, time.Now()
	v.edge[id] = v.sim.Entries(id)
	for at, now := range v.standing() {
		v.held[at] = v.held[at] && now.enforced
	}
}
