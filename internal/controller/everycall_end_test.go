package controller

import (
	"maps"
	"net/netip"
	"slices"
	"time"

	"reconciler/internal/config"
	"reconciler/internal/ec2sim"
)

// settled checks the end: everything is as the state asks, the plan is empty,
// and nothing more is written.
func (v *everyWatch) settled(s situation) {
	v.mu.Lock()
	v.wantEnd(s)
	writes := v.world.writes()
	v.mu.Unlock()
	v.wantNoPlan()
	v.pass(70 * time.Second)
	v.mu.Lock()
	defer v.mu.Unlock()
	if more := v.world.writes() - writes; more > 0 {
		v.trouble("with nothing to do, %d more writes were made", more)
	}
}

// wantNoPlan checks that another process, which knows what is on disk alone,
// would change nothing.
func (v *everyWatch) wantNoPlan() {
	l := v.loop(false)
	p, err := l.Plan(v.t.Context())
	if err := l.Store.(*FileStore).Close(); err != nil {
		v.t.Error(err)
	}
	if err != nil || len(p.Changes)+len(p.Withheld) > 0 {
		v.mu.Lock()
		defer v.mu.Unlock()
		v.trouble("in the end the plan is not empty (%v): %+v, withheld %+v", err, p.Changes, p.Withheld)
	}
}

// wantEnd: all that is wanted is enforced where there is room, and nothing else.
func (v *everyWatch) wantEnd(s situation) {
	now := time.Now()
	for _, p := range prefixesOf(everyPool) {
		end, wanted := v.wanted[p]
		wanted = wanted && now.Before(end)
		everywhere := true
		for _, id := range v.ids {
			atEdge := blockedAtEdge(v.edge[id], p)
			everywhere = everywhere && atEdge
			if n := v.roomFor(id, p); wanted && !atEdge && n > 0 {
				v.trouble("in the end %s does not deny %s, though rule %d is free for it", id, p, n)
			}
			if slices.ContainsFunc(v.edge[id], func(e ec2sim.Entry) bool { return !e.Egress && !e.Allow && e.Prefix == p }) && !wanted {
				v.trouble("in the end %s denies %s, which nobody wants", id, p)
			}
		}
		covered := wanted || slices.ContainsFunc(slices.Collect(maps.Keys(v.wanted)), func(q netip.Prefix) bool {
			return now.Before(v.wanted[q]) && q.Bits() < p.Bits() && q.Contains(p.Addr())
		})
		switch {
		case wanted && !s.noHost && !v.hostBlocks(p) && (s.hostMode == config.HostModeAll || !everywhere):
			v.trouble("in the end %s is wanted, and not enforced", p)
		case p.IsSingleIP() && !covered && v.fw.Blocked(p.Addr(), 22):
			v.trouble("in the end the host blocks %s, which nobody wants", p)
		}
	}
}

// roomFor gives a number of the window at which an ACL has room for a ban, and
// where no lower allow would overrule it; 0 is none.
func (v *everyWatch) roomFor(id string, p netip.Prefix) int {
	inbound := keep(v.edge[id], func(e ec2sim.Entry) bool { return !e.Egress })
	family := keep(inbound, func(e ec2sim.Entry) bool { return e.Prefix.Addr().Is6() == p.Addr().Is6() })
	if len(family) >= v.sim.Quota() {
		return 0
	}
	for n := 1; n <= everyWindow; n++ {
		taken := slices.ContainsFunc(inbound, func(e ec2sim.Entry) bool { return e.Number == n })
		if !taken && !shadowed(inbound, ec2sim.Entry{Number: n, Protocol: "-1", Prefix: p}) {
			return n
		}
	}
	return 0
}

// wantFewest: k differing slots cost k calls; a number that had to be emptied
// before it was filled costs two.
func (v *everyWatch) wantFewest(before map[string][]ec2sim.Entry) {
	for _, id := range v.ids {
		differ := map[int]bool{}
		for _, e := range slices.Concat(missing(before[id], v.edge[id]), missing(v.edge[id], before[id])) {
			differ[e.Number] = true
		}
		for n, writes := range v.writes[id] {
			emptied := slices.Equal(writes, []string{"DeleteNetworkAclEntry", "CreateNetworkAclEntry"})
			if len(writes) > 1 && !emptied || !differ[n] {
				v.trouble("with nothing going wrong rule %d of %s was written by %v, and differs: %t", n, id, writes, differ[n])
			}
		}
	}
}
