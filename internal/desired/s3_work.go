package desired

import (
	"context"
	"errors"
	"fmt"
)

// Deliver moves what waits in the spools to this host's object.
func (r *Remote) Deliver(ctx context.Context) error {
	if r.own == nil || !r.Writing {
		return nil
	}
	if n, err := r.Outboxes.Pending(); n == 0 {
		r.locked(func() { r.own.delivery = err })
		return err
	}
	b, err := r.bucket(ctx)
	var object Object
	if err == nil {
		object, err = r.Outboxes.Deliver(ctx, b, r.own.key)
	}
	r.locked(func() {
		r.own.delivery = err
		if object.Tag != "" {
			r.own.take(object, r.Now())
		}
		r.own.readOutboxes(r.Now())
	})
	return errors.Join(err, r.keepAll())
}

// condenseTries is how often a compaction is tried before the next look. On a
// shared object it reads and writes more than an append does, so it loses more.
const condenseTries = 5

// Condense makes this host's object small when it has grown: it is read, and
// replaced under the condition that nobody wrote to it meanwhile. Whoever loses
// that race tries again a few times and goes on.
func (r *Remote) Condense(ctx context.Context) error {
	if !r.Writing || !r.overgrown() {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, r.Timeout)
	defer cancel()
	b, err := r.bucket(ctx)
	if err != nil {
		return err
	}
	for range condenseTries {
		if err = r.condenseOnce(ctx, b); !errors.Is(err, ErrLostRace) {
			break
		}
	}
	switch {
	case errors.Is(err, ErrLostRace):
		return nil
	case err != nil:
		return fmt.Errorf("compacting %s: %w", r.own.name, err)
	}
	return r.keepAll()
}

// condenseOnce reads the object and replaces it, if that is worth it.
func (r *Remote) condenseOnce(ctx context.Context, b Bucket) error {
	object, err := b.get(ctx, r.own.key)
	if err != nil {
		return err
	}
	var body []byte
	r.locked(func() {
		if r.own.take(object, r.Now()); r.own.cursor.Tag == object.Tag {
			body = r.own.condense(object.Body, r.Now())
		}
	})
	if body == nil {
		return nil // it is not what it should be, which its Health says
	}
	if len(body) > len(object.Body)*3/4 { // nearly all of it is in force
		r.condensed = int64(len(object.Body))
		return nil
	}
	tag, err := b.put(ctx, r.own.key, object.Tag, body)
	if err != nil {
		return err
	}
	r.condensed = int64(len(body))
	r.locked(func() { r.own.take(Object{Body: body, Tag: tag}, r.Now()) })
	return nil
}

// overgrown says that a compaction is due: the object is large, and twice what
// the last one left.
func (r *Remote) overgrown() bool {
	if r.own == nil {
		return false
	}
	var size int64
	r.locked(func() { size = r.own.cursor.Size })
	return size >= r.CompactAt && size >= 2*r.condensed
}
