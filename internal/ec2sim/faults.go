package ec2sim

import (
	"context"
	"net/http"
	"slices"
	"sync"
	"time"
)

// FaultKind is what goes wrong with a call.
type FaultKind string

// The faults. "Before" means that the call has no effect, "after" that it has
// its effect and the caller is not told.
const (
	Throttle    FaultKind = "throttle"     // RequestLimitExceeded, before
	FailBefore  FaultKind = "fail-before"  // Code and Status, before
	FailAfter   FaultKind = "fail-after"   // Code and Status, after
	ResetBefore FaultKind = "reset-before" // the connection is reset, before
	ResetAfter  FaultKind = "reset-after"  // the connection is reset, after
	HangBefore  FaultKind = "hang-before"  // waits for Release, then goes on; no effect if the caller has gone
	HangAfter   FaultKind = "hang-after"   // has its effect, then waits for Release to answer
	Slow        FaultKind = "slow"         // waits for Delay, then goes on
	Truncate    FaultKind = "truncate"     // half of the answer, then the connection closes; after
	Garbage     FaultKind = "garbage"      // status 200 and a body that is not XML; after
	Stale       FaultKind = "stale"        // a Describe answers what was true Age or Writes ago
	LateEffect  FaultKind = "late-effect"  // Code and Status now, the effect at Release
)

// Always as a Fault's Count hits every call from then on.
const Always = -1

// Fault says which calls go wrong, and how. The zero values mean: any action,
// the first call that matches, once, with InternalError.
type Fault struct {
	Kind   FaultKind
	Action string          // empty: any EC2 or STS action
	When   func(Call) bool // nil: always; sees Time, Action, Params, DryRun and Write; must not use the server
	Skip   int             // let this many matching calls pass first
	Count  int             // hit this many; 0 is 1
	Code   string          // default InternalError
	Status int             // default: the status that belongs to Code
	Delay  time.Duration   // of Slow
	Age    time.Duration   // of Stale: answer as of this long ago
	Writes int             // of Stale: answer as of before the last so many changes
}

// Injection is a fault in its place.
type Injection struct {
	fault    Fault
	book     *faultBook
	seen     int
	hits     int
	over     bool
	first    chan struct{}
	released chan struct{}
	pending  []func()
}

// faultBook holds the faults in the order in which they were injected.
type faultBook struct {
	mu   sync.Mutex
	list []*Injection
}

// Inject puts a fault in place. A call meets one fault at most, that which was
// injected first of those that match.
func (s *Server) Inject(f Fault) *Injection {
	if f.Count == 0 {
		f.Count = 1
	}
	i := &Injection{fault: f, book: &s.faults, first: make(chan struct{}), released: make(chan struct{})}
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	s.faults.list = append(s.faults.list, i)
	return i
}

// ReleaseAll ends every fault, as Injection.Release does.
func (s *Server) ReleaseAll() {
	s.faults.mu.Lock()
	list := slices.Clone(s.faults.list)
	s.faults.mu.Unlock()
	for _, i := range list {
		i.Release()
	}
}

// Hits gives the number of calls that went wrong by this fault.
func (i *Injection) Hits() int {
	i.book.mu.Lock()
	defer i.book.mu.Unlock()
	return i.hits
}

// Hit is closed when the fault hits its first call.
func (i *Injection) Hit() <-chan struct{} { return i.first }

// Release ends the fault: hanging calls go on, late effects land now, in the
// order of their calls, and no further call is hit.
func (i *Injection) Release() {
	i.book.mu.Lock()
	if !i.over {
		i.over = true
		close(i.released)
	}
	i.book.list = slices.DeleteFunc(i.book.list, func(j *Injection) bool { return j == i })
	pending := i.pending
	i.pending = nil
	i.book.mu.Unlock()
	for _, effect := range pending {
		effect()
	}
}

// take finds the fault that a call meets, nil if none.
func (b *faultBook) take(c Call) *Injection {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, i := range b.list {
		f := i.fault
		if f.Action != "" && f.Action != c.Action || f.When != nil && !f.When(c) {
			continue
		}
		if f.Count != Always && i.hits >= f.Count {
			continue
		}
		i.seen++
		if i.seen <= f.Skip {
			continue
		}
		i.hits++
		if i.hits == 1 {
			close(i.first)
		}
		return i
	}
	return nil
}

// kind gives the fault's kind; of no fault the empty one.
func (i *Injection) kind() FaultKind {
	if i == nil {
		return ""
	}
	return i.fault.Kind
}

// refusal is the error that the fault answers.
func (i *Injection) refusal() *apiError {
	if i.fault.Kind == Throttle {
		return refuse(codeLimitExceeded, messageRateExceeded)
	}
	e := refuse(codeInternal, messageInternal)
	if i.fault.Code != "" {
		e = refuse(i.fault.Code, "injected by a test")
	}
	if i.fault.Status != 0 {
		e.status = i.fault.Status
	}
	return e
}

// postpone keeps an effect for Release. After Release it lands at once.
func (i *Injection) postpone(effect func()) {
	i.book.mu.Lock()
	over := i.over
	if !over {
		i.pending = append(i.pending, effect)
	}
	i.book.mu.Unlock()
	if over {
		effect()
	}
}

// wait blocks until Release, or until the caller has gone; it says whether the
// caller is still there.
func (i *Injection) wait(ctx context.Context) bool {
	select {
	case <-i.released:
		return true
	case <-ctx.Done():
		return false
	}
}

// pause waits for the fault's delay, or until the caller has gone.
func (i *Injection) pause(ctx context.Context) bool {
	t := time.NewTimer(i.fault.Delay)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// cut ends the exchange without an answer: with a reset where there is a TCP
// connection.
func cut(w http.ResponseWriter) {
	if conn, _, err := http.NewResponseController(w).Hijack(); err == nil {
		if tcp, ok := conn.(interface{ SetLinger(int) error }); ok {
			_ = tcp.SetLinger(0) // without it the peer sees an orderly end, which will do
		}
		_ = conn.Close() // there is nobody to tell
		return
	}
	panic(http.ErrAbortHandler)
}
