package controller

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"reconciler/internal/ec2sim"
	"reconciler/internal/hostfake"
	"reconciler/internal/observed"
)

// soakWatch checks the promises after every call that the daemon makes. Its
// lock is held by the script for each change of the outside world, so that a
// check never sees half of one.
type soakWatch struct {
	*world
	mu      sync.Mutex
	model   *soakModel
	edge    []ec2sim.Entry        // the ACL after the last call or hand edit
	foreign map[int]ec2sim.Entry  // what somebody put into the window
	held    map[netip.Prefix]bool // enforced once, and wanted without a break since
	fresh   map[netip.Prefix]time.Time

	hostUpset, edgeUpset time.Time    // until then somebody's damage is an excuse
	edited               atomic.Int64 // when somebody last edited the ACL, in Unix milliseconds
	edgeSlow             time.Time    // until then EC2's own weather excuses what is late
	broken               int          // promises, so far
	calls                map[string]int
	hostWrites, hostRuns int
	checks               int
	refusals             map[observed.Family][]time.Time // when the daemon was told of the quota
	peakBans             int
}

func newSoakWatch(w *world, model *soakModel) *soakWatch {
	s := &soakWatch{
		world: w, model: model, foreign: map[int]ec2sim.Entry{}, held: map[netip.Prefix]bool{},
		fresh: map[netip.Prefix]time.Time{}, calls: map[string]int{}, edge: w.sim.Entries(w.acl),
		refusals: map[observed.Family][]time.Time{},
	}
	w.sim.OnCall(s.afterCall)
	w.fw.After = s.afterRun
	return s
}

// breach reports a broken promise. After a few the rest would be noise.
func (s *soakWatch) breach(format string, args ...any) {
	if s.broken++; s.broken <= 10 {
		s.t.Errorf("%s: %s", time.Now().UTC().Format(time.DateTime), fmt.Sprintf(format, args...))
	}
}

// afterCall checks the ACL after every call to EC2.
func (s *soakWatch) afterCall(c ec2sim.Call) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.checks++
	s.calls[c.Action]++
	if c.Code != "" {
		s.calls[c.Code]++
	}
	if c.Code == "NetworkAclEntryLimitExceeded" && c.Fault == "" { // from an answer that is lost nobody can learn
		f := observed.FamilyOf(asPrefix(c.Params.Get("CidrBlock") + c.Params.Get("Ipv6CidrBlock")))
		s.refusals[f] = append(s.refusals[f], time.Now())
	}
	before, after := s.edge, s.sim.Entries(s.acl)
	s.edge = after
	s.onlyOurs(c, before, after)
	s.quota(c, before, after)
	for _, gone := range missing(before, after) {
		s.noGap(c.Action, gone.Prefix)
		s.sticky(c, gone, after)
	}
}

// onlyOurs: entries that are not ours stay as they are.
func (s *soakWatch) onlyOurs(c ec2sim.Call, before, after []ec2sim.Entry) {
	outside := func(e ec2sim.Entry) bool { return e.Egress || e.Allow || e.Number > s.config.Rules.Last }
	if !slices.Equal(keep(before, outside), keep(after, outside)) {
		s.breach("%s changed an entry that is not ours:\n%v became\n%v", c.Action, before, after)
	}
	for n, e := range s.foreign {
		if !slices.Contains(after, e) {
			s.breach("%s changed rule %d, which somebody else made", c.Action, n)
		}
	}
	if c.Write && c.Params.Get("Egress") == "true" {
		s.breach("%s is about the outbound direction", c.Action)
	}
}

// quota: a call never makes a family that is full fuller.
func (s *soakWatch) quota(c ec2sim.Call, before, after []ec2sim.Entry) {
	for _, v6 := range []bool{false, true} {
		family := func(e ec2sim.Entry) bool { return !e.Egress && e.Prefix.Addr().Is6() == v6 }
		was, is := len(keep(before, family)), len(keep(after, family))
		if is > was && is > s.sim.Quota() {
			s.breach("%s made %d entries of %d allowed", c.Action, is, s.sim.Quota())
		}
	}
}

// sticky: a wanted ban leaves the ACL only for an entry that covers it.
func (s *soakWatch) sticky(c ec2sim.Call, gone ec2sim.Entry, after []ec2sim.Entry) {
	until, wanted := s.model.until(gone.Prefix, time.Now())
	// A ban that is newer than the call may find the entry of an older one going.
	if since, fresh := s.fresh[gone.Prefix]; fresh && time.Since(since) <= observed.CallTimeout {
		return
	}
	if !wanted || blockedAtEdge(after, gone.Prefix) || blockedByWider(s.model, gone.Prefix, until) {
		return
	}
	if shadowed(after, gone) {
		return
	}
	s.breach("%s took %s out of the ACL, which is banned until %s", c.Action, gone.Prefix, until.UTC().Format(time.DateTime))
}

// afterRun checks the host after every run of a program that changes it.
func (s *soakWatch) afterRun(c hostfake.Call) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hostRuns++
	if !c.Writes() {
		return nil
	}
	s.hostWrites++
	s.checks++
	for line := range strings.Lines(c.Stdin) {
		words := strings.Fields(line)
		if len(words) >= 3 && words[0] == "del" {
			s.noGap(c.Program, asPrefix(words[2]))
		} else if len(words) > 0 && words[0] != "add" && words[0] != "create" {
			s.noGaps(c.Program) // something else than single entries was changed
			return nil
		}
	}
	return nil
}

// noGap: what was enforced and is still wanted is enforced now, and so is all
// that is inside it.
func (s *soakWatch) noGap(by string, p netip.Prefix) {
	if p.IsSingleIP() {
		s.stillHeld(by, p)
		return
	}
	for q := range s.held {
		if p.Overlaps(q) {
			s.stillHeld(by, q)
		}
	}
}

func (s *soakWatch) noGaps(by string) {
	for p := range s.held {
		s.stillHeld(by, p)
	}
}

func (s *soakWatch) stillHeld(by string, p netip.Prefix) {
	if _, wanted := s.model.until(p, time.Now()); !wanted {
		delete(s.held, p)
		return
	}
	if s.held[p] && !s.blocked(p) {
		s.breach("after %s nobody blocks %s any more", by, p)
		delete(s.held, p)
	}
}

// blocked says that the host or an effective entry of the ACL stops all
// traffic from the prefix.
func (s *soakWatch) blocked(p netip.Prefix) bool {
	return s.onHostWhole(p) || blockedAtEdge(s.edge, p)
}

func (s *soakWatch) onHostWhole(p netip.Prefix) bool {
	return s.fw.Blocked(p.Addr(), 22) && (p.IsSingleIP() || s.fw.Blocked(lastAddr(p), 22))
}

// look checks everything at a moment at which nothing is under way.
func (s *soakWatch) look() {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	s.checks++
	s.edge = s.sim.Entries(s.acl)
	s.model.sweep(now)
	active := s.model.active(now)
	s.peakBans = max(s.peakBans, len(active))
	s.lookAtBans(now, active)
	s.lookAtEnds(now)
	if told, is, _ := s.status(); told != is {
		s.breach("systemd was told %q, and %q is true", told, is)
	}
	for _, own := range []string{"198.51.100.10", "10.0.1.10", "fd00:ec2:0:101::a"} {
		if a := netip.MustParseAddr(own); s.fw.Blocked(a, 22) || blockedAtEdge(s.edge, netip.PrefixFrom(a, a.BitLen())) {
			s.breach("the host's own address %s is blocked", own)
		}
	}
	if said := s.said.String(); strings.Contains(said, "withheld") || strings.Contains(said, "panic") {
		s.breach("the log tells of a removal without a reason:\n%s", said)
	}
	for f, at := range s.refusals {
		if n := len(at); n >= 4 && at[n-1].Sub(at[n-4]) < learnedFor {
			s.breach("the %s quota was run into four times within %s", f, learnedFor)
			delete(s.refusals, f)
		}
	}
}

func (s *soakWatch) lookAtBans(now time.Time, active map[netip.Prefix]bool) {
	for p := range s.held {
		if !active[p] {
			delete(s.held, p)
		}
	}
	excused := now.Before(s.hostUpset) || s.config.HostMode != "all" && now.Before(s.edgeUpset)
	for p := range active {
		switch blocked := s.blocked(p); {
		case blocked:
			s.held[p] = true
			delete(s.fresh, p)
		case excused:
			delete(s.held, p)
		case s.held[p]:
			s.breach("the ban of %s was lifted early", p)
			delete(s.held, p)
		case now.Sub(s.fresh[p]) > 3*time.Second:
			s.breach("%s was banned at %s and is not blocked yet", p, s.fresh[p].UTC().Format(time.DateTime))
			s.fresh[p] = now
		}
	}
}

// lookAtEnds: what has ended is free: on the host within two seconds, for the
// kernel and we round up, and in an ACL within a cycle when EC2 works.
func (s *soakWatch) lookAtEnds(now time.Time) {
	for p, at := range s.model.ended {
		if s.model.wantedOver(p, now) {
			continue
		}
		at = later(at, s.model.endOver(p))
		if now.Sub(at) > 3*time.Second && now.After(s.hostUpset) && s.fw.Blocked(p.Addr(), 22) {
			s.breach("the ban of %s ended %s ago and the host still blocks it", p, now.Sub(at))
		}
		ours := slices.ContainsFunc(s.edge, func(e ec2sim.Entry) bool {
			return !e.Egress && !e.Allow && e.Prefix == p && s.foreign[e.Number] != e
		})
		if now.Sub(at) > 2*time.Minute && now.After(s.edgeUpset) && now.After(s.edgeSlow) && ours {
			s.breach("the ban of %s ended %s ago and the ACL still denies it", p, now.Sub(at))
		}
	}
}
