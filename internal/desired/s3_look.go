package desired

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sync/errgroup"
)

// readers is how many objects are read at the same time.
const readers = 4

// bucket connects when it must.
func (r *Remote) bucket(ctx context.Context) (Bucket, error) {
	if r.objects == nil {
		objects, err := r.Connect(ctx)
		if err != nil {
			return Bucket{}, fmt.Errorf("%s: %w", r.Address, err)
		}
		r.objects = objects
	}
	return Bucket{Objects: r.objects, Address: r.Address, Limit: r.Limit, Timeout: r.Timeout}, nil
}

// locked runs something with the state in hand.
func (r *Remote) locked(do func()) {
	r.lock.Lock()
	defer r.lock.Unlock()
	do()
}

// Look reads what has changed: one conditional GET of a shared object, or one
// LIST of a prefix and a GET of each changed object. What it finds is in the
// state, and in the snapshots, when it returns. Its error is in the Health of
// what could not be read as well.
func (r *Remote) Look(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, r.Timeout)
	defer cancel()
	b, err := r.bucket(ctx)
	if err != nil {
		r.locked(func() { r.unreachable(err) })
		return err
	}
	err = r.look(ctx, b)
	return errors.Join(err, r.keepAll())
}

// unreachable says of every object that it could not be read.
func (r *Remote) unreachable(err error) {
	for _, l := range r.logs {
		l.fail(err)
	}
}

func (r *Remote) look(ctx context.Context, b Bucket) error {
	if !r.Address.PerHost() {
		r.read(ctx, b, r.Address.Key)
		return r.trouble()
	}
	var listed []Listed
	err := patiently(ctx, func() (err error) {
		listed, err = b.Objects.List(ctx, r.Address.Key, maxHosts)
		return err
	})
	var changed []string
	r.locked(func() {
		r.err = nil
		if err != nil {
			r.err = fmt.Errorf("listing %s: %w: %w", r.Address, err, ErrUnavailable)
			return
		}
		r.listed = true
		changed = r.compare(listed)
	})
	if err != nil {
		return r.trouble()
	}
	var group errgroup.Group
	group.SetLimit(readers)
	for _, key := range changed {
		group.Go(func() error {
			r.read(ctx, b, key) // one object that cannot be read keeps no other away
			return nil
		})
	}
	_ = group.Wait()
	return r.trouble()
}

// trouble gives what is wrong with any of the objects.
func (r *Remote) trouble() error {
	var errs []error
	r.locked(func() {
		errs = append(errs, r.err)
		for _, l := range r.sorted() {
			errs = append(errs, l.err)
		}
	})
	return errors.Join(errs...)
}

// patiently reads again after an error that may pass, a few times.
func patiently(ctx context.Context, read func() error) error {
	pause := newPause()
	for attempt := 1; ; attempt++ {
		err := read()
		if attempt == attempts || !passes(err) || pause.wait(ctx, err) != nil {
			return err
		}
	}
}

// passes says that another attempt may go better.
func passes(err error) bool {
	for _, final := range []error{ErrSame, ErrNoObject, ErrRefused, ErrTooLarge} {
		if errors.Is(err, final) {
			return false
		}
	}
	return err != nil
}

// compare gives the keys whose objects have changed. An object that is known and
// not listed is missing.
func (r *Remote) compare(listed []Listed) (changed []string) {
	there := map[string]bool{}
	for _, o := range listed {
		if _, ok := r.Address.hostOf(o.Key); !ok {
			continue
		}
		there[o.Key] = true
		l, err := r.open(o.Key)
		switch {
		case err != nil:
			r.err = err
		case o.Size > r.Limit:
			l.fail(fmt.Errorf("%d bytes: %w", o.Size, ErrTooLarge))
		case o.Tag == l.unless():
			l.same(r.Now())
		default:
			changed = append(changed, o.Key)
		}
	}
	for key, l := range r.logs {
		if !there[key] {
			r.missing(l)
		}
	}
	return changed
}

// read brings one object up to date.
func (r *Remote) read(ctx context.Context, b Bucket, key string) {
	var unless string
	r.locked(func() { unless = r.logs[key].unless() })
	var object Object
	err := patiently(ctx, func() (err error) {
		object, err = b.Objects.Get(ctx, key, unless, b.Limit)
		return err
	})
	r.locked(func() {
		l, now := r.logs[key], r.Now()
		switch {
		case errors.Is(err, ErrSame):
			l.same(now)
		case err != nil:
			l.fail(err)
		default:
			l.take(object, now)
		}
	})
}

// keepAll writes the snapshots that are due, without the lock.
func (r *Remote) keepAll() error {
	var images []*cacheImage
	var err error
	r.locked(func() { images, err = r.images(r.Now()) })
	if err = errors.Join(err, r.keep(images)); err != nil {
		return fmt.Errorf("%s: %w", r.Address, err)
	}
	return nil
}
