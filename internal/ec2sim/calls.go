package ec2sim

import (
	"maps"
	"net/url"
	"slices"
	"sync"
	"time"
)

// keptCalls bounds the list of calls, so that a sandbox can run for ever.
const keptCalls = 1 << 16

// Call is one request to EC2 or STS, as it was answered.
type Call struct {
	Time    time.Time
	Action  string // also one that does not exist
	Params  url.Values
	DryRun  bool
	Write   bool      // the action is one that changes things
	Changed bool      // the world is another than before
	Code    string    // the error that was answered; empty: success, or no answer
	Status  int       // the HTTP status; 0: no answer was sent
	Fault   FaultKind // what was injected; empty: nothing
	Late    bool      // the effect of an earlier call, landing after its answer
}

// ledger records calls and tells the hooks of them, one at a time.
type ledger struct {
	mu      sync.Mutex
	calls   []Call
	hooks   []func(Call)
	telling sync.Mutex
}

func (l *ledger) record(c Call) {
	l.telling.Lock()
	defer l.telling.Unlock()
	l.mu.Lock()
	if len(l.calls) >= keptCalls {
		l.calls = slices.Clone(l.calls[keptCalls/2:])
	}
	l.calls = append(l.calls, c)
	hooks := slices.Clone(l.hooks)
	l.mu.Unlock()
	for _, h := range hooks {
		h(c)
	}
}

// Calls gives the EC2 and STS calls since the start or the last ResetCalls, in
// the order in which they were decided; of a very long list only the later
// part. The metadata service's requests are not among them.
func (s *Server) Calls() []Call {
	s.ledger.mu.Lock()
	defer s.ledger.mu.Unlock()
	out := slices.Clone(s.ledger.calls)
	for i := range out {
		out[i].Params = maps.Clone(out[i].Params)
	}
	return out
}

// Count gives the number of calls of one action, failed ones and dry runs
// included.
func (s *Server) Count(action string) int {
	n := 0
	for _, c := range s.Calls() {
		if c.Action == action && !c.Late {
			n++
		}
	}
	return n
}

// Writes gives the calls of actions that change things, failed ones included,
// dry runs and late effects not: what a caller has spent.
func (s *Server) Writes() []Call {
	return slices.DeleteFunc(s.Calls(), func(c Call) bool { return !c.Write || c.DryRun || c.Late })
}

// ResetCalls forgets the calls so far.
func (s *Server) ResetCalls() {
	s.ledger.mu.Lock()
	defer s.ledger.mu.Unlock()
	s.ledger.calls = nil
}

// OnCall has f called for every EC2 and STS call, and for every late effect,
// after the effect and before the answer is sent. The calls of f never overlap.
// It may use the server's methods, but must not wait for another call.
func (s *Server) OnCall(f func(Call)) {
	s.ledger.mu.Lock()
	defer s.ledger.mu.Unlock()
	s.ledger.hooks = append(s.ledger.hooks, f)
}
