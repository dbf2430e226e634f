package controller

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"reconciler/internal/bucket"
	"reconciler/internal/config"
	"reconciler/internal/desired"
)

// Remote is a part of the desired state that lies beyond the network. What it
// brings is in the Store, and what goes wrong is in its Sources.
type Remote interface {
	// Look reads what has changed.
	Look(ctx context.Context) error
	// Deliver brings over what waits in the spools, and keeps the log small.
	Deliver(ctx context.Context) error
	// Urgent fires when something new waits in a spool.
	Urgent() <-chan struct{}
}

// remote is a log in S3 with the bell that calls for a delivery.
type remote struct {
	*desired.Remote
	urgent chan struct{}
}

// openRemote opens a log in S3 from what is kept of it here.
func (s *FileStore) openRemote(cfg config.Config, state string, first bool) (*remote, error) {
	address, err := desired.ParseAddress(state)
	if err != nil {
		return nil, err
	}
	o := desired.RemoteOptions{
		Address: address, Host: cfg.HostID, Target: first, Writing: s.writing, CacheDir: cfg.CacheDir,
		Connect: s.connect(address, cfg.S3), Limit: cfg.S3.MaxSize, Timeout: cfg.S3.Timeout,
		CompactAt: cfg.CompactAt, Now: time.Now,
	}
	if first {
		o.Outboxes = Outboxes(address, cfg.Writing())
		if cfg.Spool != "" && cfg.Spool != cfg.CacheDir { // where commands without a spool put what they could not send
			o.Outboxes = append(o.Outboxes, outbox(cfg.CacheDir, address))
		}
	}
	opened, err := desired.OpenRemote(o, &s.mu)
	if err != nil {
		return nil, err
	}
	r := &remote{Remote: opened, urgent: make(chan struct{}, 1)}
	s.remotes = append(s.remotes, r)
	return r, nil
}

// absent is a log in S3 whose snapshots here cannot be used.
type absent struct {
	path string
	err  error
}

// Fold, Bad, Warnings and Health make an absent log a State.

func (absent) Fold() *desired.Fold { return desired.NewFold() }

func (absent) Bad() []desired.LineError { return nil }

func (absent) Warnings() []string { return nil }

func (a absent) Gap() error { return fmt.Errorf("%s cannot be opened: %w", a.path, a.err) }

func (a absent) Health() desired.Health {
	return desired.Health{Path: a.path, Err: fmt.Errorf("%w; mend it, and let the daemon open it again: systemctl reload reconciler", a.err)}
}

// connector is how a store reaches the bucket of an address.
type connector func(desired.Address, config.S3) func(context.Context) (desired.Objects, error)

// ConnectS3 gives what connects to the bucket of an address.
func ConnectS3(a desired.Address, s config.S3) func(context.Context) (desired.Objects, error) {
	return func(ctx context.Context) (desired.Objects, error) {
		return bucket.Connect(ctx, bucket.Options{Bucket: a.Bucket, SSE: s.SSE, KMSKeyID: s.KMSKeyID, PathStyle: s.PathStyle})
	}
}

// Outboxes gives the spools that commands write to: the first, and the one for
// a full disk.
func Outboxes(a desired.Address, w config.Writing) desired.Outboxes {
	dir := w.Spool
	if dir == "" {
		dir = w.CacheDir
	}
	return desired.Outboxes{outbox(dir, a), outbox(w.RunDir, a)}
}

func outbox(dir string, a desired.Address) *desired.Outbox {
	return &desired.Outbox{Path: desired.OutboxPath(dir, a), Now: time.Now}
}

// refresh folds what came into the spools, and gives what is wrong with the log.
func (r *remote) refresh(now time.Time) error {
	if r.Refresh(now) {
		r.ring()
	}
	var errs []error
	for _, log := range r.States() {
		errs = append(errs, log.Health().Err)
	}
	return errors.Join(errs...)
}

// Urgent fires when something new waits in a spool.
func (r *remote) Urgent() <-chan struct{} { return r.urgent }

// ring calls for a delivery.
func (r *remote) ring() {
	select {
	case r.urgent <- struct{}{}:
	default:
	}
}

// Deliver empties the spools and compacts the object when that is due.
func (r *remote) Deliver(ctx context.Context) error {
	if err := r.Remote.Deliver(ctx); err != nil {
		return err
	}
	if n, _ := r.Outboxes.Pending(); n > 0 && r.Writing { // came meanwhile
		r.ring()
	}
	return r.Condense(ctx)
}

// Remotes gives the logs in S3.
func (s *FileStore) Remotes() []Remote {
	var all []Remote
	for _, r := range s.remotes {
		all = append(all, r)
	}
	return all
}

// Sync looks at every log in S3 once, all at the same time, and delivers what
// waits when the store is writing. What fails is in the Sources.
func (s *FileStore) Sync(ctx context.Context) {
	var group errgroup.Group
	for _, r := range s.remotes {
		group.Go(func() error {
			_ = r.Look(ctx)    // its Health tells
			_ = r.Deliver(ctx) // and so do its warnings
			return nil
		})
	}
	_ = group.Wait()
}
