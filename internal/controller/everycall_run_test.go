package controller

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"reconciler/internal/config"
	"reconciler/internal/ec2sim"
)

// everyOutcome is what a run of a situation came to.
type everyOutcome struct {
	troubles []string
	calls    map[string][]string // actions, by target, from the change on
	met      bool                // the mishap came to pass
	between  int                 // writes to a number that was edited by hand since the last look
}

// live plays a situation from its beginning to its end, with one mishap.
func (s situation) live(t *testing.T, dir string, m mishap) (out everyOutcome) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, dir)
		defer w.close()
		v := s.arrange(w)
		w.start()
		s.ban(v, everyBan, keepOut(s.first, s.ends))
		s.ban(v, soonEnds, s.ends)
		w.pass(45 * time.Second)
		met, over := s.befall(v, m)
		v.count(true)
		v.step(m, 12*time.Second, func() { s.ban(v, everyBan, s.added); s.lift(v, s.lifted) })
		v.step(m, 28*time.Second, func() {}) // what ends by itself ends here
		v.step(m, 40*time.Second, func() { s.lift(v, s.later) })
		over()
		v.count(false)
		w.pass(150 * time.Second)
		v.settled(s)
		out = everyOutcome{v.troubles, v.calls, met(), v.between}
	})
	return out
}

func keepOut(all, out []netip.Prefix) []netip.Prefix {
	return slices.DeleteFunc(slices.Clone(all), func(p netip.Prefix) bool { return slices.Contains(out, p) })
}

// arrange builds the ACLs and puts the watch up.
func (s situation) arrange(w *world) *everyWatch {
	w.config.Quota, w.config.HostMode, w.config.Rules.Last = s.quota, s.hostMode, everyWindow
	w.config.NACL = []string{w.acl}
	if s.noHost {
		w.config.Host = config.HostNone
	}
	v := &everyWatch{
		world: w, noHost: s.noHost, ids: []string{w.acl}, wanted: map[netip.Prefix]time.Time{}, held: map[everyPlace]bool{},
		edge: map[string][]ec2sim.Entry{}, theirs: map[string]map[int]ec2sim.Entry{}, blind: map[string]map[int]bool{}, edited: map[string]time.Time{},
		writes: map[string]map[int][]string{}, calls: map[string][]string{}, fails: func(string, int) (bool, bool) { return false, false },
	}
	if s.acls == 2 {
		v.ids = append(v.ids, w.sim.AddACL(w.sim.VPCOf(w.acl)))
		w.config.NACL = v.ids
	}
	w.sim.SetQuota(s.quota)
	for i, id := range v.ids {
		v.theirs[id], v.blind[id], v.writes[id] = map[int]ec2sim.Entry{}, map[int]bool{}, map[int][]string{}
		for _, e := range s.theirs[i] {
			if err := w.sim.ForceEntry(id, e); err != nil {
				w.t.Fatal(err)
			}
		}
		v.edge[id] = w.sim.Entries(id)
		for _, e := range keep(v.edge[id], func(e ec2sim.Entry) bool { return !e.Egress }) {
			v.theirs[id][e.Number] = e
		}
	}
	w.sim.OnCall(v.afterCall)
	w.fw.Before, w.fw.After = v.beforeRun, v.afterRun
	return v
}

// count counts calls from now on, or no longer: a mishap is at one of those.
func (v *everyWatch) count(on bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.counting = on
}

func (s situation) ban(v *everyWatch, lasts time.Duration, list []netip.Prefix) {
	v.mu.Lock()
	for _, p := range list {
		v.wanted[p] = time.Unix(time.Now().Unix(), 0).Add(lasts)
	}
	v.mu.Unlock()
	if len(list) > 0 {
		v.ban(lasts, texts(list)...)
	}
}

// lift unbans as fail2ban does, for one jail: what is inside a prefix stays.
func (s situation) lift(v *everyWatch, list []netip.Prefix) {
	var lines []string
	v.mu.Lock()
	for _, p := range list {
		delete(v.wanted, p)
		lines = append(lines, fmt.Sprintf(`{"op":"unban","ip":%q,"jail":"sshd","host":"bastion","time":%d}`, p, time.Now().Unix()))
	}
	v.mu.Unlock()
	if len(lines) > 0 {
		v.log(lines...)
	}
}

func texts(list []netip.Prefix) []string {
	out := make([]string, len(list))
	for i, p := range list {
		out[i] = p.String()
	}
	return out
}

// befall puts the mishap in its place. met says that it came to pass, and over
// ends it.
func (s situation) befall(v *everyWatch, m mishap) (met func() bool, over func()) {
	hits := 0
	counted := func() bool { return hits > 0 }
	due := func(target string, index int) bool {
		if target != m.target || index < m.index || index >= m.index+s.hits {
			return false
		}
		hits++
		return true
	}
	switch m.kind {
	case "":
		return func() bool { return true }, func() {}
	case runBefore:
		v.fails = func(target string, index int) (bool, bool) { return due(target, index), false }
		return counted, func() {}
	case runAfter:
		v.fails = func(target string, index int) (bool, bool) { return false, due(target, index) }
		return counted, func() {}
	case handEdit:
		v.edit = func(target string, index int) {
			if target == m.target && index == m.index {
				hits++
				v.byHand(v.ids[target[len(target)-1]-'0'], s.edit%3, s.edit/3)
			}
		}
		return counted, func() {}
	}
	return s.weather(v, m)
}

// staleOf is how old a stale read is: older than a write of this situation, and
// younger than what others did before it.
const staleOf = 5 * time.Second

func (s situation) weather(v *everyWatch, m mishap) (met func() bool, over func()) {
	fault := v.sim.Inject(ec2sim.Fault{
		Kind: ec2sim.FaultKind(m.kind), Skip: m.index, Count: s.hits, Age: staleOf,
		When: func(c ec2sim.Call) bool { _, target := v.target(c); return target == m.target },
	})
	done := make(chan struct{})
	go func() {
		select {
		case <-fault.Hit():
			if m.kind == string(ec2sim.LateEffect) { // EC2 settles within settleTime
				time.Sleep(settleTime - 5*time.Second)
				fault.Release()
			}
		case <-done:
		}
	}()
	return func() bool { return fault.Hits() > 0 }, func() { fault.Release(); close(done) }
}

// step lets time go by after a change. When nothing goes wrong it costs the
// fewest calls.
func (v *everyWatch) step(m mishap, d time.Duration, change func()) {
	v.mu.Lock()
	before := maps.Clone(v.edge)
	for _, id := range v.ids {
		clear(v.writes[id])
	}
	v.mu.Unlock()
	change()
	v.pass(d)
	v.mu.Lock()
	defer v.mu.Unlock()
	if m.kind == "" {
		v.wantFewest(before)
	}
}
