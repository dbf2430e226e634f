package controller

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// soakPlan is how long a soak is and how busy. A short one has days that are
// short too, with the same events in each.
type soakPlan struct {
	days int
	day  time.Duration
	bans int // a day
	seed uint64
}

// soakPlanFromEnv: SOAK_DAYS whole days of 5,000 bans; without it, four short
// days. SOAK_SEED picks the weather.
func soakPlanFromEnv(t *testing.T, seed uint64) soakPlan {
	p := soakPlan{days: 4, day: 40 * time.Minute, bans: 400, seed: seed}
	number := func(name string) int {
		n, err := strconv.Atoi(os.Getenv(name))
		if err != nil || n < 1 {
			t.Fatalf("%s is %q; it takes a number from 1", name, os.Getenv(name))
		}
		return n
	}
	if os.Getenv("SOAK_DAYS") != "" {
		p.days, p.day, p.bans = number("SOAK_DAYS"), 24*time.Hour, 5000
	}
	if os.Getenv("SOAK_SEED") != "" {
		p.seed += uint64(number("SOAK_SEED"))
	}
	return p
}

// soak is one run: the world, the watch over the promises, and the script that
// plays fail2ban, operators, EC2's weather and the machine.
type soak struct {
	*soakWatch
	soakPlan
	random   *rand.Rand
	counts   map[netip.Prefix]int
	clear    func() // ends the bad weather
	bad      bool
	restarts int
	edits    int

	log0, snap0, heap uint64 // the largest log, snapshot and heap, in bytes
	firstHeap         uint64 // after the first third
}

// A busy bastion keeps every promise: restarts of fail2ban each night, hand edits
// each day, days on which a third of all EC2 calls fail. In the middle of its life
// the host begins to hold only what the edge does not.
func TestSoakFromAllOnTheHostToOverflow(t *testing.T) {
	soakBastion(t, 1, "all", "overflow")
}

// Another weather, and the other way round. Two processes can live both at once.
func TestSoakFromOverflowToAllOnTheHost(t *testing.T) {
	soakBastion(t, 1001, "overflow", "all")
}

func soakBastion(t *testing.T, seed uint64, mode, laterMode string) {
	plan := soakPlanFromEnv(t, seed)
	leaks := goleak.IgnoreCurrent()
	began := time.Now()
	inWorld(t, func(t *testing.T, w *world) {
		w.config.CompactAt, w.config.HostMode = int64(plan.bans)*128, mode
		s := &soak{
			soakWatch: newSoakWatch(w, newSoakModel("sshd", "recidive", "manual")), soakPlan: plan,
			random: rand.New(rand.NewPCG(plan.seed, 30)), counts: map[netip.Prefix]int{}, clear: func() {},
		}
		s.run(laterMode)
		t.Logf("%d days of %s with %d bans each: %d restarts of the daemon, %d hand edits, %d broken promises\n%s"+
			"largest log on disk %d KiB, snapshot %d KiB, heap in use %d MiB", plan.days, plan.day, plan.bans, s.restarts, s.edits, s.broken,
			s.tally(), s.log0>>10, s.snap0>>10, s.heap>>20)
	})
	goleak.VerifyNone(t, leaks)
	t.Logf("took %s", time.Since(began).Round(time.Second))
}

func (s *soak) run(laterMode string) {
	s.startDaemon()
	for day := range s.days {
		if day == s.days/2 {
			s.stopDaemon(false)
			s.config.HostMode = laterMode
			s.startDaemon()
		}
		s.live(day)
		s.measure(day)
	}
	s.clear()
	s.edgeSlow = time.Now().Add(5 * time.Minute)
	s.pass(10 * time.Minute)
	s.look()
	s.stopDaemon(false)
}

// event is something that the script does at a moment of the day.
type event struct {
	at time.Time
	do func()
}

// live plays one day.
func (s *soak) live(day int) {
	begin := time.Now()
	end := begin.Add(s.day)
	events := s.schedule(day, begin)
	nextLook := begin
	for now := begin; now.Before(end); now = time.Now() {
		pause := time.Duration(s.random.ExpFloat64() * float64(s.day) / float64(s.bans))
		s.pass(max(time.Second, pause.Truncate(time.Second)))
		for len(events) > 0 && !time.Now().Before(events[0].at) {
			events[0].do()
			events = events[1:]
		}
		s.attack()
		if time.Now().After(nextLook) {
			s.pass(4 * time.Second)
			s.look()
			nextLook = time.Now().Add(s.day / 288)
			s.sample()
		}
	}
}

// sample takes the sizes that must stay bounded.
func (s *soak) sample() {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	s.heap = max(s.heap, m.HeapInuse)
	s.log0 = max(s.log0, uint64(stored(s.config.State[0])))
	if st, err := os.Stat(s.config.State[0] + ".snap"); err == nil {
		s.snap0 = max(s.snap0, uint64(st.Size()))
	}
	s.said.Reset()
	s.fw.ForgetCalls()
	s.sim.ResetCalls()
}

// measure holds the sizes to their bounds at the end of a day.
func (s *soak) measure(day int) {
	if limit := uint64(s.config.CompactAt + 256<<10); s.log0 > limit {
		s.breach("the log grew to %d bytes, more than the %d at which it is compacted and a while's growth", s.log0, limit)
	}
	if s.snap0 > 4<<20 {
		s.breach("the snapshot grew to %d bytes", s.snap0)
	}
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	if day == s.days/3 {
		s.firstHeap = m.HeapAlloc
	}
	if s.firstHeap > 0 && m.HeapAlloc > 2*s.firstHeap+32<<20 {
		s.breach("the live heap grew from %d to %d bytes", s.firstHeap, m.HeapAlloc)
	}
	s.t.Logf("day %d, host mode %s: %d bans active, live heap %d MiB, log %d KiB, snapshot %d KiB, broken %d", day+1, s.config.HostMode,
		len(s.model.active(time.Now())), m.HeapAlloc>>20, stored(s.config.State[0])>>10, s.snap0>>10, s.broken)
}

func (s *soak) pick(n int) int { return s.random.IntN(n) }

// attacker gives somebody who gets through at this moment: a few come often, most
// once. An address that is banned cannot attack.
func (s *soak) attacker() netip.Prefix {
	for {
		n := int(min(s.random.ExpFloat64()*300, 4000))
		p := netip.MustParsePrefix(fmt.Sprintf("198.18.%d.%d/32", n/250, n%250+1))
		if n%20 == 0 {
			p = netip.MustParsePrefix(fmt.Sprintf("2001:db8:%x::%x/128", n%7, n+1))
		}
		if c, known := s.model.jails["sshd"][p]; !known || !time.Now().Before(c.end()) {
			return p
		}
	}
}

// tally gives the counts for the report.
func (s *soakWatch) tally() string {
	var b strings.Builder
	fmt.Fprintf(&b, "checks %d, host runs %d of which writes %d, most bans at once %d\n", s.checks, s.hostRuns, s.hostWrites, s.peakBans)
	for _, name := range slices.Sorted(maps.Keys(s.calls)) {
		fmt.Fprintf(&b, "  %-32s %d\n", name, s.calls[name])
	}
	return b.String()
}
