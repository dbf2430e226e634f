package desired

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cenkalti/backoff/v5"
)

// The pause between two attempts to write. It grows and is spread, so that
// writers who met once do not meet again.
const (
	firstPause = 15 * time.Millisecond
	lastPause  = time.Second
	slowPause  = 200 * time.Millisecond // at least, when the store asks to slow down
	attempts   = 3                      // that a wait must have room for, so that one hanging call is not all
)

// Bucket is a store of objects with the bounds that hold for it.
type Bucket struct {
	Objects Objects
	Address Address
	Limit   int64         // bytes of an object
	Timeout time.Duration // of an append, all attempts together
}

// Written is what an append came to.
type Written struct {
	Object   Object // as it is now
	Attempts int    // calls of Put; 0: every record was there already
}

// Append adds records to the end of an object and returns when the store has
// them. Each must have an id: what is there already, after an answer that was
// lost, is not written again. It tries until the timeout is over.
func (b Bucket) Append(ctx context.Context, key string, recs []Record) (Written, error) {
	ctx, cancel := context.WithTimeout(ctx, b.Timeout)
	defer cancel()
	var done Written
	pause := newPause()
	var cause error // of the last attempt that was answered
	for {
		err := b.appendOnce(ctx, key, recs, &done)
		if err == nil {
			return done, nil
		}
		if cause == nil || !errors.Is(err, context.DeadlineExceeded) {
			cause = err
		}
		if errors.Is(err, ErrRefused) || errors.Is(err, ErrTooLarge) {
			return done, fmt.Errorf("appending to %s: %w", b.Address.name(key), err)
		}
		if waitErr := pause.wait(ctx, err); waitErr != nil {
			return done, fmt.Errorf("appending to %s, given up after %s: %w", b.Address.name(key), b.Timeout, cause)
		}
	}
}

// appendOnce reads the object and writes it anew with what it lacks. Every
// answer but success leads to another round: only the object itself tells
// whether a write had its effect.
func (b Bucket) appendOnce(ctx context.Context, key string, recs []Record, done *Written) error {
	object, denied := b.get(ctx, key)
	if denied != nil && !errors.Is(denied, ErrNoObject) && !errors.Is(denied, ErrHidden) {
		return denied
	}
	body, err := missingIn(object.Body, recs)
	if err != nil {
		return err
	}
	if body == nil {
		done.Object = object
		return nil
	}
	if int64(len(body)) > b.Limit {
		return fmt.Errorf("%d bytes: %w", len(body), ErrTooLarge)
	}
	done.Attempts++
	tag, err := b.put(ctx, key, object.Tag, body)
	if errors.Is(denied, ErrHidden) && errors.Is(err, ErrLostRace) {
		return denied // the object is there: it is the reading that is denied
	}
	if err != nil {
		return err
	}
	done.Object = Object{Body: body, Tag: tag}
	return nil
}

// get and put leave time for another attempt when a call hangs.
func (b Bucket) get(ctx context.Context, key string) (Object, error) {
	ctx, cancel := context.WithTimeout(ctx, b.Timeout/attempts)
	defer cancel()
	return b.Objects.Get(ctx, key, "", b.Limit)
}

func (b Bucket) put(ctx context.Context, key, tag string, body []byte) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, b.Timeout/attempts)
	defer cancel()
	return b.Objects.Put(ctx, key, tag, body)
}

// missingIn gives the content with the records that it lacks at its end; nil
// when it lacks none. One that a compaction has taken out is written again, which
// makes no difference: see fresh.
func missingIn(body []byte, recs []Record) ([]byte, error) {
	there := recordsIn(body, recs)
	var data []byte
	for _, rec := range recs {
		before := len(data)
		var err error
		if data, err = appendChecked(data, rec, time.Now); err != nil {
			return nil, err
		}
		if line := string(data[before:]); there[line] {
			data = data[:before]
		} else {
			there[line] = true
		}
	}
	if len(data) == 0 {
		return nil, nil
	}
	whole := make([]byte, 0, len(body)+1+len(data))
	whole = append(whole, body...)
	if len(body) > 0 && body[len(body)-1] != '\n' {
		whole = append(whole, '\n')
	}
	return append(whole, data...), nil
}

// quickSearch is for how many ids a content is searched before it is parsed.
const quickSearch = 64

// recordsIn gives those lines of the content that have the id of one of the
// records, as they would be written anew.
func recordsIn(body []byte, recs []Record) map[string]bool {
	asked, there := map[ID]bool{}, map[string]bool{}
	named := len(recs) > quickSearch // then reading the lines costs less
	for _, rec := range recs {
		asked[rec.ID] = true
		named = named || bytes.Contains(body, []byte(rec.ID))
	}
	if !named {
		return there
	}
	var p Parser
	for line := range bytes.Lines(body) {
		rec, err := p.Parse(trimBlank(bytes.TrimSuffix(line, []byte{'\n'})))
		if err == nil && asked[rec.ID] {
			there[string(append(rec.AppendJSON(nil), '\n'))] = true
		}
	}
	return there
}

// pause is the time between attempts.
type pause struct{ *backoff.ExponentialBackOff }

func newPause() pause {
	p := pause{&backoff.ExponentialBackOff{
		InitialInterval: firstPause, MaxInterval: lastPause, RandomizationFactor: 0.9, Multiplier: 1.7,
	}}
	p.Reset()
	return p
}

// wait pauses; its error says that there is no time for another attempt.
func (p pause) wait(ctx context.Context, cause error) error {
	d := p.NextBackOff()
	if errors.Is(cause, ErrSlowDown) {
		d += slowPause
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
