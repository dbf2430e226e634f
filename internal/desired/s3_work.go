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

// Condense makes this host's object small when it has grown: it is read, and
// replaced under the condition that nobody wrote to it meanwhile. Whoever loses
// that race goes on; the winner has done the work.
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
	object, err := b.get(ctx, r.own.key)
	if err != nil {
		return fmt.Errorf("compacting %s: %w", r.own.name, err)
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
	r.condensed = int64(len(object.Body))
	if len(body) > len(object.Body)*3/4 {
		return nil // nearly all of it is in force
	}
	tag, err := b.put(ctx, r.own.key, object.Tag, body)
	if errors.Is(err, ErrLostRace) {
		r.condensed = 0
		return nil
	}
	if err != nil {
		return fmt.Errorf("compacting %s: %w", r.own.name, err)
	}
	r.condensed = int64(len(body))
	r.locked(func() { r.own.take(Object{Body: body, Tag: tag}, r.Now()) })
	return r.keepAll()
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
