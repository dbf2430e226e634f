package desired

import (
	"context"
	"errors"
	"time"
)

// Sender appends the records of commands to a log in S3.
type Sender struct {
	Address  Address
	Host     string
	Outboxes Outboxes
	Direct   bool // write to S3; the spools are for when that fails
	Connect  func(context.Context) (Objects, error)
	Limit    int64
	Timeout  time.Duration
	Now      func() time.Time
}

// Append returns when the records are durable: in the spool, or with Direct in
// S3 or, with a warning, in the spool all the same.
func (s Sender) Append(ctx context.Context, recs ...Record) (*Spooled, error) {
	for _, rec := range recs {
		if _, err := appendChecked(nil, rec, s.Now); err != nil {
			return nil, err
		}
	}
	if !s.Direct || len(recs) == 0 {
		return s.Outboxes.Append(ctx, recs...)
	}
	if waiting, _ := s.Outboxes.Pending(); waiting > 0 {
		return s.behind(ctx, recs)
	}
	recs = identified(recs, s.Now)
	cause := s.send(ctx, func(ctx context.Context, b Bucket) error {
		_, err := b.Append(ctx, s.Address.ObjectOf(s.Host), recs)
		return err
	})
	if cause == nil {
		return nil, nil
	}
	// The ids stay: the write may have had its effect all the same.
	return s.spool(ctx, cause, recs)
}

// behind puts records behind those that wait already, and delivers them all.
func (s Sender) behind(ctx context.Context, recs []Record) (*Spooled, error) {
	spooled, err := s.Outboxes.Append(ctx, recs...)
	if err != nil {
		return nil, err
	}
	cause := s.send(ctx, func(ctx context.Context, b Bucket) error {
		_, err := s.Outboxes.Deliver(ctx, b, s.Address.ObjectOf(s.Host))
		return err
	})
	if cause == nil {
		return nil, nil
	}
	if spooled == nil {
		spooled = &Spooled{Path: s.Outboxes[0].Path}
	}
	spooled.Cause, spooled.Until = cause, untilDelivered
	return spooled, nil
}

const untilDelivered = "`reconciler run` has delivered them"

// send does something with the bucket within the timeout.
func (s Sender) send(ctx context.Context, do func(context.Context, Bucket) error) error {
	ctx, cancel := context.WithTimeout(ctx, s.Timeout)
	defer cancel()
	objects, err := s.Connect(ctx)
	if err != nil {
		return err
	}
	return do(ctx, Bucket{Objects: objects, Address: s.Address, Limit: s.Limit, Timeout: s.Timeout})
}

func (s Sender) spool(ctx context.Context, cause error, recs []Record) (*Spooled, error) {
	spooled, err := s.Outboxes.Append(ctx, recs...)
	if err != nil {
		return nil, errors.Join(cause, err)
	}
	if spooled == nil {
		spooled = &Spooled{Path: s.Outboxes[0].Path}
	}
	spooled.Cause, spooled.Until = cause, untilDelivered
	return spooled, nil
}
