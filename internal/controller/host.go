package controller

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"reconciler/internal/apply"
	"reconciler/internal/observed"
	"reconciler/internal/plan"
)

// HostReader reads the host's firewall.
type HostReader interface {
	Read(ctx context.Context, now time.Time) (observed.Host, error)
}

const (
	// hostResync is how often the host's firewall is read with nothing to do.
	hostResync = 10 * time.Second
	// hostDeadline bounds one cycle on the host: another program may hold the
	// lock of iptables.
	hostDeadline = 60 * time.Second
	// maxHostPasses bounds one cycle: repair and add, then remove, then a look
	// that finds nothing left.
	maxHostPasses = 4
)

// hostActor keeps this machine's firewall equal to what is wanted.
type hostActor struct {
	read     HostReader
	backend  apply.Backend
	board    *board
	now      func() time.Time
	picture  *observed.Host // nil or stale: read before planning
	stale    bool
	withheld withheld
	pinned   time.Time
}

// cycle makes the host equal to the order. It reads when the picture is old or
// in doubt, and else trusts its own confirmed writes.
func (a *hostActor) cycle(ctx context.Context, o order) report {
	ctx, cancel := context.WithTimeout(ctx, hostDeadline)
	defer cancel()
	r := report{target: plan.HostTarget, number: o.number}
	now := a.now()
	if a.picture == nil || a.stale || now.Sub(a.picture.ReadAt) >= hostResync {
		if r.err = a.look(ctx, now); r.err != nil {
			a.board.done(r, nil)
			return r
		}
		r.read = true
	}
	r.warnings = a.picture.Notes()
	r.err = errors.Join(a.settle(ctx, o, &r), refused(*a.picture))
	a.board.setHost(a.picture)
	a.board.done(r, a.confirmed(o, r.err))
	return r
}

// errHook is a hook of the configuration that does not exist.
var errHook = errors.New("the host's firewall cannot be made as configured")

// refused gives the error of a configuration that has no place in the firewall
// that was found. What was in force before it stays.
func refused(host observed.Host) error {
	if len(host.Refused) == 0 {
		return nil
	}
	return fmt.Errorf("%w: %s; what is in force stays: correct hook, or make the chain (iptables -N)", errHook, strings.Join(host.Refused, ", "))
}

// settle plans and applies until nothing is left: a removal waits for the pass
// after the one that puts in its place what takes over.
func (a *hostActor) settle(ctx context.Context, o order, r *report) error {
	for range maxHostPasses {
		now := a.now()
		var changes []plan.Change
		changes, r.withheld = a.withheld.plan(o, o.limits, now, func(limits plan.Limits) ([]plan.Change, []plan.Change) {
			return plan.ForHost(o.want, *a.picture, a.board.state().ACLs, limits, now)
		})
		if len(changes) == 0 {
			return nil
		}
		results, err := a.apply(ctx, changes, now)
		r.results = append(r.results, results...)
		if err != nil {
			return err
		}
	}
	return nil
}

// look reads the firewall and makes it the picture.
func (a *hostActor) look(ctx context.Context, now time.Time) error {
	read, err := a.read.Read(ctx, now)
	if err != nil {
		a.stale = true
		return fmt.Errorf("reading the host's firewall: %w", err)
	}
	read.Lost = hostLost(a.picture, read, now)
	read.PinnedAt = a.pinned
	a.picture, a.stale = &read, false
	return nil
}

// apply carries the changes out and takes the confirmed ones into the picture.
func (a *hostActor) apply(ctx context.Context, changes []plan.Change, now time.Time) ([]result, error) {
	done, err := a.backend.Apply(ctx, changes)
	results := make([]result, 0, len(done))
	confirmed := make([]plan.Change, 0, len(done))
	for _, d := range done {
		results = append(results, result{change: d.Change, err: d.Err})
		if d.Err == nil {
			confirmed = append(confirmed, d.Change)
		} else if err == nil {
			err = d.Err
		}
	}
	after := plan.HostAfter(*a.picture, confirmed, now)
	after.Lost = nil
	a.pinned = after.PinnedAt
	a.picture = &after
	// A pin, and the removal of all, are looked at before they are believed; so
	// is any failure.
	a.stale = err != nil || slices.ContainsFunc(confirmed, func(c plan.Change) bool {
		return c.Action == plan.Pin || c.Action == plan.Remove && !c.Prefix.IsValid()
	})
	return results, err
}

// confirmed gives the lifted prefixes that the host holds no more.
func (a *hostActor) confirmed(o order, err error) map[netip.Prefix]bool {
	if err != nil || a.picture == nil {
		return nil
	}
	holds := func(p netip.Prefix) bool {
		_, held := observed.FindEntry(a.picture.Entries, p)
		return held
	}
	return gone(o.want.Set().Lifted, holds, []int{o.limits.IPv6Prefix})
}
