package controller

import (
	"maps"
	"math/rand/v2"
	"net/netip"
	"slices"
	"sync"
	"time"

	"reconciler/internal/ec2sim"
)

// editACL is an operator at the console: takes an entry of ours away, writes
// over one, puts rules of their own into our window, and cleans up after a while.
func (s *soak) editACL() {
	s.pass(371 * time.Millisecond) // between the daemon's own moments
	s.change(func(now time.Time) {
		s.edits++
		s.edited.Store(now.UnixMilli())
		ours := slices.Sorted(maps.Keys(s.oursAtEdge()))
		switch choice := s.pick(4); {
		case len(s.foreign) >= 4 || choice == 0 && len(s.foreign) > 0:
			for n := range s.foreign {
				s.mustEdit(s.sim.RemoveEntry(s.acl, false, n))
				delete(s.foreign, n)
				break
			}
		case choice == 1 && len(ours) > 0:
			s.mustEdit(s.sim.RemoveEntry(s.acl, false, ours[s.pick(len(ours))]))
		case choice == 2 && len(ours) > 0: // looks like ours, and no record names it
			s.put(ec2sim.Entry{Number: ours[s.pick(len(ours))], Protocol: "-1", Prefix: netip.MustParsePrefix("192.0.2.77/32")})
		case choice == 3:
			s.put(ec2sim.Entry{
				Number: 1 + s.pick(90), Protocol: "6", Prefix: netip.MustParsePrefix("198.18.1.0/24"),
				Allow: s.pick(2) == 0, Ports: ec2sim.PortRange{From: 443, To: 443},
			})
		}
		s.edgeUpset = later(s.edgeUpset, now.Add(s.edgePatience()))
		if s.config.HostMode != "all" {
			clear(s.held)
		}
	})
	s.pass(629 * time.Millisecond)
}

// put makes an entry of somebody else's; a full ACL refuses it, as it would.
func (s *soak) put(e ec2sim.Entry) {
	if s.sim.PutEntry(s.acl, e) == nil {
		s.foreign[e.Number] = e
	}
}

func (s *soak) mustEdit(err error) {
	if err != nil {
		s.t.Errorf("the script's hand edit: %v", err)
	}
}

// oursAtEdge gives the inbound denies that the script did not make.
func (s *soak) oursAtEdge() map[int]string {
	ours := s.denies(s.acl)
	for n := range s.foreign {
		delete(ours, n)
	}
	return ours
}

// dice can be thrown by several goroutines.
type dice struct {
	mu sync.Mutex
	r  *rand.Rand
}

func (s *soak) fork() *dice { return &dice{r: rand.New(rand.NewPCG(s.random.Uint64(), 7))} }

// Float64 gives a number from 0 up to 1.
func (d *dice) Float64() float64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.r.Float64()
}
