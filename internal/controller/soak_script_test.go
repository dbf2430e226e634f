package controller

import (
	"fmt"
	"maps"
	"net/netip"
	"os"
	"slices"
	"time"

	"reconciler/internal/ec2sim"
)

// schedule gives what happens today besides attacks, in order.
func (s *soak) schedule(day int, begin time.Time) []event {
	var events []event
	add := func(times int, do func()) {
		for range times {
			at := begin.Add(time.Duration(s.random.Float64() * float64(s.day*9/10)))
			events = append(events, event{at, do})
		}
	}
	add(1, s.restartFail2ban)
	add(4, s.editACL)
	add(1, s.damageHost)
	add(6, s.operatorUnbans)
	add(2, s.operatorBans)
	add(1, s.nonsense)
	add(2, func() { s.stopDaemon(false); s.away(); s.startDaemon() })
	add(1, func() { s.stopDaemon(true); s.away(); s.startDaemon() })
	if day%7 == 3 {
		add(1, s.unbanAll)
		add(1, func() { s.sim.SetQuota(12) })
	}
	slices.SortFunc(events, func(a, b event) int { return a.at.Compare(b.at) })
	events = append([]event{{begin, func() { s.weather(day) }}}, events...)
	return append(events, event{begin.Add(s.day * 19 / 20), func() { s.sim.SetQuota(20) }})
}

// change makes a change of the outside world and of the model in one step.
func (s *soak) change(do func(now time.Time)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	do(time.Now())
	s.edge = s.sim.Entries(s.acl)
}

func line(op, jail string, at time.Time, more string) string {
	return fmt.Sprintf(`{"op":%q,"jail":%q,"host":"bastion","time":%d%s}`, op, jail, at.Unix(), more)
}

func banLine(jail string, p netip.Prefix, c soakClaim, restored int) string {
	return line("ban", jail, c.from, fmt.Sprintf(`,"ip":%q,"bantime":%d,"restored":%d`, p, c.bantime, restored))
}

// claim puts a ban into the model and the log.
func (s *soak) claim(jail string, p netip.Prefix, bantime int) {
	s.change(func(now time.Time) {
		from := time.Unix(now.Unix(), 0)
		c := soakClaim{from: from, bantime: bantime, until: permanent}
		if bantime >= 0 {
			c.until = from.Add(time.Duration(bantime) * time.Second)
		}
		if _, wanted := s.model.until(p, now); !wanted {
			s.fresh[p] = now
			delete(s.held, p)
		}
		s.model.jails[jail][p] = c
		s.log(banLine(jail, p, c, 0))
	})
}

// attack is one more failed login too many, and the unbans of fail2ban for what
// has run out. Each ban of an address lasts twice as long as the one before.
func (s *soak) attack() {
	p := s.attacker()
	s.counts[p]++
	bantime := min(600<<min(s.counts[p]-1, 6), 4*3600)
	if s.day < time.Hour {
		bantime /= 12
	}
	s.change(func(now time.Time) {
		for p, c := range s.model.jails["sshd"] {
			if !now.Before(c.end()) {
				s.log(line("unban", "sshd", now, fmt.Sprintf(`,"ip":%q`, p)))
			}
		}
		s.model.sweep(now)
	})
	s.claim("sshd", p, bantime)
	if s.counts[p]%5 == 0 {
		s.claim("recidive", p, 6*bantime)
	}
}

// restartFail2ban: it flushes, stops, starts, and restores what it had.
func (s *soak) restartFail2ban() {
	now := time.Now()
	s.log(line("flush", "sshd", now, `,"defer":30`), line("flush", "recidive", now, `,"defer":30`))
	s.pass(time.Duration(1+s.pick(12)) * time.Second)
	s.log(line("stop", "sshd", time.Now(), ""), line("stop", "recidive", time.Now(), ""))
	s.pass(time.Duration(5+s.pick(60)) * time.Second)
	s.change(func(now time.Time) {
		for _, jail := range []string{"sshd", "recidive"} {
			lines := []string{line("start", jail, now, "")}
			for p, c := range s.model.jails[jail] {
				if now.Before(c.end()) {
					lines = append(lines, banLine(jail, p, c, 1))
				}
			}
			s.log(lines...)
		}
	})
}

// unbanAll is `fail2ban-client unban --all`: a flush that no stop follows.
func (s *soak) unbanAll() {
	s.change(func(now time.Time) {
		at := time.Unix(now.Unix(), 0)
		s.log(line("flush", "sshd", at, `,"defer":30`))
		s.model.flush("sshd", at.Add(30*time.Second))
	})
	s.pass(40 * time.Second)
}

// operatorUnbans lifts a ban by hand, mostly one that is at the edge.
func (s *soak) operatorUnbans() {
	s.change(func(now time.Time) {
		choice := slices.SortedFunc(maps.Keys(s.model.active(now)), netip.Prefix.Compare)
		if s.pick(3) > 0 {
			choice = slices.DeleteFunc(choice, func(p netip.Prefix) bool { return !s.atEdge(s.acl, p.String()) })
		}
		if len(choice) > 0 {
			p := choice[s.pick(len(choice))]
			s.model.lift("", p, now)
			s.log(fmt.Sprintf(`{"op":"unban","ip":%q,"time":%d}`, p, now.Unix()))
		}
	})
}

// operatorBans blocks a whole network, or an address for ever.
func (s *soak) operatorBans() {
	if s.pick(4) == 0 {
		s.claim("manual", netip.MustParsePrefix(fmt.Sprintf("198.19.0.%d/32", 1+s.pick(250))), -1)
		return
	}
	s.claim("manual", netip.MustParsePrefix(fmt.Sprintf("198.18.%d.0/24", s.pick(4))), int(s.day.Seconds())/(2+s.pick(20)))
}

// nonsense is what attackers and accidents put into the log: the bans of our
// own addresses, lines that are none, and half a line.
func (s *soak) nonsense() {
	now := time.Now().Unix()
	s.log(fmt.Sprintf(`{"op":"ban","ip":"198.51.100.10","jail":"sshd","host":"bastion","time":%d}`, now),
		fmt.Sprintf(`{"op":"ban","ip":"10.0.0.0/16","jail":"sshd","host":"bastion","time":%d}`, now),
		`{"op":"ban","ip":"$(reboot)"}`, "\x00\x00\xff", `{"op":"ban","ip":"203.0.1`)
}

// staleBy is how old a stale read is.
const staleBy = 5 * time.Second

func (s *soakWatch) sinceEdit() time.Duration {
	return time.Duration(time.Now().UnixMilli()-s.edited.Load()) * time.Millisecond
}

// weather: on every third day a third of EC2's calls fail in one way or other.
func (s *soak) weather(day int) {
	s.clear()
	s.clear, s.bad = func() { s.sim.ReleaseAll() }, day%3 == 1
	if !s.bad {
		return
	}
	s.edgeSlow = time.Now().Add(s.day + 15*time.Minute)
	for _, kind := range []ec2sim.FaultKind{
		ec2sim.Throttle, ec2sim.FailBefore, ec2sim.FailAfter, ec2sim.ResetBefore,
		ec2sim.ResetAfter, ec2sim.HangBefore, ec2sim.HangAfter, ec2sim.Truncate, ec2sim.Garbage, ec2sim.Stale,
	} { // of these nine fail a write
		random := s.fork()
		s.sim.Inject(ec2sim.Fault{
			Kind: kind, Count: ec2sim.Always, Age: staleBy,
			When: func(ec2sim.Call) bool {
				// A stale read that misses a hand edit cannot be told from the truth,
				// and EC2 has no conditional delete: nobody can do better there.
				return random.Float64() < 0.039 && (kind != ec2sim.Stale || s.sinceEdit() > staleBy)
			},
		})
	}
}

// damageHost is somebody's reload of the firewall, or a flush of the sets.
func (s *soak) damageHost() {
	s.change(func(now time.Time) {
		if s.pick(2) == 0 {
			s.fw.Flush()
		} else {
			s.fw.Reset()
		}
		s.hostUpset = later(s.hostUpset, now.Add(hostResync+3*time.Second))
		clear(s.held)
	})
}

// away is how long the machine is without a daemon; attacks go on.
func (s *soak) away() {
	for range 1 + s.pick(5) {
		s.pass(time.Duration(1+s.pick(30)) * time.Second)
		s.attack()
	}
}

func (s *soak) startDaemon() {
	s.start()
	s.hostUpset = time.Now().Add(5 * time.Second)
	s.edgeUpset = later(s.edgeUpset, time.Now().Add(s.edgePatience()))
}

// stopDaemon ends the daemon; killed, it has saved nothing since its last save.
func (s *soak) stopDaemon(killed bool) {
	s.restarts++
	s.hostUpset, s.edgeUpset = permanent, later(s.edgeUpset, time.Now())
	snap := s.config.State[0] + ".snap"
	before, err := os.ReadFile(snap)
	s.end()
	if killed && err == nil {
		if err := os.WriteFile(snap, before, 0o640); err != nil {
			s.t.Fatal(err)
		}
	}
}

// edgePatience is how long the daemon may take to see a hand edit.
func (s *soak) edgePatience() time.Duration {
	if s.bad {
		return 15 * time.Minute
	}
	return 3 * time.Minute
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
