package desired

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Objects is a store of whole objects with conditional writes, as S3 is. Each
// call is one attempt, bounded by its context. An error that is none of those
// below is unclear: the call may have had its effect.
type Objects interface {
	// Get reads an object of at most limit bytes, unless it still has the tag.
	Get(ctx context.Context, key, unless string, limit int64) (Object, error)
	// Put replaces the object that has the tag; without a tag it makes one where
	// there is none. It gives the new tag.
	Put(ctx context.Context, key, tag string, body []byte) (string, error)
	// List gives what lies directly under a prefix, at most limit of them.
	List(ctx context.Context, prefix string, limit int) ([]Listed, error)
}

// Object is an object as it was read.
type Object struct {
	Body     []byte
	Tag      string    // its ETag
	Modified time.Time // when it was written, by the store's clock
}

// Listed is an object as a listing shows it.
type Listed struct {
	Key  string
	Tag  string
	Size int64 // bytes
}

// What the answer of a store of objects means.
var (
	// ErrNoObject: there is no such object.
	ErrNoObject = errors.New("the object is not there")
	// ErrSame: the object still has the tag.
	ErrSame = errors.New("the object has not changed")
	// ErrLostRace: the object is not, or not yet, what the write was meant for.
	// Read it again: the writer may be oneself, after an answer that was lost.
	ErrLostRace = errors.New("somebody else wrote the object at the same time")
	// ErrSlowDown: the store asks for fewer calls.
	ErrSlowDown = errors.New("the store asks to slow down")
	// ErrRefused: a permission, the bucket or a setting is wrong. Trying again at
	// once has no use.
	ErrRefused = errors.New("the store refuses it")
	// ErrHidden: the object is not there, or may not be read: S3 tells which only
	// to those who may list the bucket.
	ErrHidden = fmt.Errorf("the object is missing or denied: %w", ErrRefused)
	// ErrTooLarge: the object has more bytes than the limit.
	ErrTooLarge = errors.New("the object is larger than the limit (--s3-max-size)")
)
