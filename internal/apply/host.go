package apply

import (
	"context"
	"errors"
	"fmt"
	"time"

	"reconciler/internal/observed"
	"reconciler/internal/plan"
	"reconciler/internal/tool"
)

// ErrHostFull means that the host holds as many bans as it may: the ipset's
// maxelem, or the cap of the iptables back end.
var ErrHostFull = errors.New("the host's firewall holds as many bans as it may")

// Host is the Backend of this machine's firewall.
type Host struct {
	Now func() time.Time // what timeouts are counted from

	run     tool.Runner
	reader  observed.HostReader
	spec    observed.HostSpec
	store   store
	invalid error // the spec cannot be used
}

// store keeps the bans of one kind of back end. The hooks, the jumps and the
// taking down are the same for all kinds that live in iptables.
type store interface {
	// write carries out changes of single entries and repairs, in order, and
	// puts the error of change i into errs[i]. It returns an error only when
	// the host as a whole failed.
	write(ctx context.Context, batch []plan.Change, errs []error) error
}

// NewHost gives the back end for a spec. What the spec leaves out has its
// default; with a spec that is not valid every Apply fails.
func NewHost(run tool.Runner, spec observed.HostSpec) *Host {
	spec = spec.WithDefaults()
	h := &Host{
		Now: time.Now, run: run, spec: spec, invalid: spec.Validate(),
		reader: observed.HostReader{Run: run, Spec: spec},
	}
	if spec.Backend == observed.BackendIPTables {
		h.store = ruleStore{h}
	} else {
		h.store = setStore{h}
	}
	return h
}

// Apply changes the host's firewall. A change that is not possible fails
// alone; see Backend.
func (h *Host) Apply(ctx context.Context, batch []plan.Change) ([]Result, error) {
	errs := make([]error, len(batch))
	err := h.invalid
	done := 0
	for done < len(batch) && err == nil {
		next := segment(batch, done)
		err = h.applySegment(ctx, batch[done:next], errs[done:next])
		if err == nil {
			done = next
		}
	}
	results := make([]Result, len(batch))
	for i, c := range batch {
		results[i] = Result{Change: c, Err: errs[i]}
		if i >= done && errs[i] == nil {
			results[i].Err = err
		}
	}
	return results, err
}

// segment gives the end of the run of changes from start that can be carried
// out together.
func segment(batch []plan.Change, start int) int {
	if alone(batch[start]) {
		return start + 1
	}
	end := start + 1
	for end < len(batch) && !alone(batch[end]) {
		end++
	}
	return end
}

// alone says that a change concerns the whole and cannot be mixed with others.
func alone(c plan.Change) bool {
	return c.Action == plan.Pin || c.Action == plan.Remove && !c.Prefix.IsValid()
}

// applySegment gives an error when the host as a whole failed. Changes of the
// segment that were done by then are reported as failed too: they are
// idempotent, and doing them again costs less than a wrong belief.
func (h *Host) applySegment(ctx context.Context, batch []plan.Change, errs []error) error {
	switch c := batch[0]; {
	case c.Action == plan.Pin:
		errs[0] = h.pin(ctx)
	case alone(c):
		errs[0] = h.takeDown(ctx)
	default:
		return h.store.write(ctx, batch, errs)
	}
	return whole(errs[0])
}

// whole gives err back when it means that nothing else will work either.
func whole(err error) error {
	if errors.Is(err, tool.ErrNotFound) || errors.Is(err, tool.ErrNotPermitted) ||
		errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return nil
}

// valid refuses what must not reach a program's input or cannot be blocked.
func valid(c plan.Change) error {
	p := c.Prefix
	switch {
	case c.Action != plan.Add && c.Action != plan.Refresh && c.Action != plan.Remove:
		return fmt.Errorf("the host cannot %s an entry; this is a defect of the plan", c.Action)
	case !p.IsValid() || p.Addr().Is4In6() || p.Masked() != p:
		return fmt.Errorf("%s %s: the prefix is not in canonical form", c.Action, p)
	case p.Bits() == 0:
		return fmt.Errorf("%s %s: a set cannot hold the whole address space", c.Action, p)
	}
	return nil
}

// gone says that a change leaves no entry: a removal, or a ban that is over.
func gone(c plan.Change, now time.Time) bool {
	return c.Action == plan.Remove || !c.Until.IsZero() && !now.Before(c.Until)
}

// timeout is the rest of a ban in whole seconds, rounded up so that it is
// lifted no sooner than it ends; 0 is for ever. A longer rest than a set can
// keep is cut to the longest.
func timeout(until, now time.Time) int64 {
	if until.IsZero() {
		return 0
	}
	rest := min(until.Sub(now), observed.MaxTimeout)
	return max(1, int64((rest+time.Second-1)/time.Second))
}
