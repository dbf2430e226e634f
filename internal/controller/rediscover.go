package controller

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"reconciler/internal/config"
	"reconciler/internal/observed"
)

// discover finds the ACLs, retrying after a growing pause of a resync at most
// until it has: at boot the network is often there a few seconds later. From then
// on it follows the metadata: addresses and ranges change while a host runs.
func (l *Loop) discover(ctx context.Context) {
	pause := newPause()
	for {
		f, err := l.Cloud.Discover(ctx)
		if errors.Is(err, ErrNoCloud) {
			f.Warning, err = err.Error(), nil
		}
		if err != nil {
			if !l.tellDiscovery(ctx, err) || !sleep(ctx, min(pause.NextBackOff(), l.Config.Resync)) {
				return
			}
			continue
		}
		pause.Reset()
		if !l.send(ctx, f) || !l.follow(ctx, f) {
			return
		}
	}
}

// While nobody answers where no instance is expected: how long it is looked for
// as soon as a resync, and how seldom after that.
const (
	soonUntil = 10 * time.Minute
	seldom    = 10 * time.Minute
)

// follow reads the metadata at every resync, also where nobody has answered yet:
// the unit starts before the network, and not every instance has a mark. It
// returns true when the ACLs have to be discovered anew, false when the context
// is done.
func (l *Loop) follow(ctx context.Context, f Found) bool {
	pause, began := newPause(), time.Now()
	for {
		next := l.Config.Resync
		if f.Metadata.IsZero() {
			if next = min(pause.NextBackOff(), next); !l.Cloud.OnEC2 && time.Since(began) > soonUntil {
				next = max(seldom, l.Config.Resync)
			}
		}
		select {
		case <-ctx.Done():
			return false
		case <-l.again:
			return sleep(ctx, l.Config.Resync) // the ACL that was found is gone: no hot loop
		case <-time.After(next):
		}
		m, err := observed.ReadMetadata(ctx, l.Cloud.Metadata)
		if err != nil || m.Equal(f.Metadata) {
			continue // what was known stays
		}
		l.Cloud.OnEC2 = true // it has answered; a silence is a failure from now on
		if l.Config.NACL[0] == config.NACLAuto && !slices.Equal(m.Subnets, f.Metadata.Subnets) {
			return true
		}
		f.Metadata, f.Pictures, f.Warning, f.Lacking = m, nil, "", nil
		if !l.send(ctx, f) {
			return false
		}
	}
}

func (l *Loop) send(ctx context.Context, f Found) bool {
	select {
	case l.founds <- f:
		return true
	case <-ctx.Done():
		return false
	}
}

func (l *Loop) tellDiscovery(ctx context.Context, err error) bool {
	select {
	case l.reports <- report{target: finding, err: fmt.Errorf("finding the network ACLs: %w", err)}:
		return true
	case <-ctx.Done():
		return false
	}
}

// sleep waits; false when the context ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}
