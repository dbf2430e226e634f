package desired

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// maxHosts is how many objects under one prefix are read: each has a state in
// memory.
const maxHosts = 4096

// RemoteOptions say what a Remote is about.
type RemoteOptions struct {
	Address   Address
	Host      string                                 // this one
	Target    bool                                   // the commands of this host append here
	Writing   bool                                   // keep snapshots, deliver and compact: one process at a time
	CacheDir  string                                 // holds the snapshots
	Outboxes  Outboxes                               // the spools of a target
	Connect   func(context.Context) (Objects, error) // when the network is first needed
	Limit     int64                                  // bytes of an object
	Timeout   time.Duration                          // of one reading, or of one append
	CompactAt int64                                  // bytes of an object that start a compaction
	Now       func() time.Time
}

// Remote is the log at an address in S3: one object, or one for each host. Look,
// Deliver and Condense go over the network and hold the lock only while they
// touch the state; they serve one goroutine. Everything else is quick, and is
// called with the lock held.
type Remote struct {
	RemoteOptions
	lock sync.Locker

	objects   Objects
	dir       string
	cache     *cacheWriter
	logs      map[string]*objectLog // by key
	own       *objectLog            // of this host; nil unless it is the target
	condensed int64                 // bytes that the last compaction came to
	err       error                 // of listing the prefix
	listed    bool                  // it was listed, now or before the snapshots were kept
	writer    interface{ Close() error }
}

// OpenRemote goes on from the snapshots of the last time, without the network.
// An error means that they cannot be read, or that another process keeps them.
func OpenRemote(o RemoteOptions, lock sync.Locker) (*Remote, error) {
	r := &Remote{RemoteOptions: o, lock: lock, dir: cacheDir(o.CacheDir, o.Address), cache: newCacheWriter(), logs: map[string]*objectLog{}}
	if o.Writing {
		if err := r.claim(); err != nil {
			return nil, fmt.Errorf("opening %s: %w", o.Address, err)
		}
	}
	if err := r.load(); err != nil {
		return nil, errors.Join(err, r.Close())
	}
	return r, nil
}

// claim makes this process the only one that keeps the snapshots.
func (r *Remote) claim() error {
	if err := makeCacheDir(r.dir); err != nil {
		return err
	}
	file, err := openOrCreate(filepath.Join(r.dir, "lock"), unix.O_RDWR)
	if err != nil {
		return err
	}
	if err := unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		_ = file.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			err = ErrLocked
		}
		return err
	}
	r.writer = file
	for _, box := range r.Outboxes {
		box.sweep()
	}
	return nil
}

func (r *Remote) load() error {
	if !r.Address.PerHost() {
		if _, err := r.open(r.Address.Key); err != nil {
			return err
		}
	}
	if r.Address.PerHost() {
		hosts, err := cachedHosts(r.dir)
		if err != nil {
			return err
		}
		for _, host := range hosts {
			l, err := r.open(r.Address.ObjectOf(host))
			if err != nil {
				return err
			}
			// That of this host is there without a look at the others.
			r.listed = r.listed || host != r.Host && l.cursor.Tag != ""
		}
	}
	if !r.Target {
		return nil
	}
	own, err := r.open(r.Address.ObjectOf(r.Host))
	if err != nil {
		return err
	}
	r.own = own
	for _, box := range r.Outboxes {
		own.outboxes = append(own.outboxes, &outboxReader{box: box})
	}
	own.readOutboxes(r.Now())
	own.intake.quiet = false
	return nil
}

// open gives the log of a key, from its snapshot where there is one.
func (r *Remote) open(key string) (*objectLog, error) {
	if l := r.logs[key]; l != nil {
		return l, nil
	}
	l := newObjectLog(r.Address, key, r.Host)
	if r.Writing {
		SweepPending(l.cachePath(r.dir))
		SweepPending(l.cachePath(r.dir) + heldSuffix)
	}
	if err := l.loadCache(r.dir); err != nil {
		return nil, err
	}
	r.logs[key] = l
	return l, nil
}

// Close gives the snapshots free.
func (r *Remote) Close() error {
	if r.writer == nil {
		return nil
	}
	return r.writer.Close()
}

// sorted gives the logs by key.
func (r *Remote) sorted() []*objectLog {
	logs := make([]*objectLog, 0, len(r.logs))
	for _, l := range r.logs {
		logs = append(logs, l)
	}
	slices.SortFunc(logs, func(a, b *objectLog) int { return strings.Compare(a.key, b.key) })
	return logs
}

// States gives the state of each object, and one for the prefix while it cannot
// be listed.
func (r *Remote) States() []State {
	var states []State
	if r.err != nil || r.Address.PerHost() && !r.listed {
		states = append(states, unlisted{r})
	}
	for _, l := range r.sorted() {
		states = append(states, l)
	}
	return states
}

// Refresh folds what came into the spools. It says whether there is something
// new to deliver.
func (r *Remote) Refresh(now time.Time) (news bool) {
	return r.own != nil && r.own.readOutboxes(now)
}

// Memory gives what the last snapshot held beside the claims.
func (r *Remote) Memory() Memory {
	if r.own == nil {
		return Memory{}
	}
	return r.own.memory
}

// SaveSnapshot makes what the controller has to remember durable, with the state
// of this host's own object. Only a target that is writing can.
func (r *Remote) SaveSnapshot(mem Memory, now time.Time) error {
	if r.own == nil || !r.Writing {
		return fmt.Errorf("saving the state of %s: %w", r.Address, ErrNotLocked)
	}
	image, err := r.cache.image(r.own, r.dir, mem, true, now)
	if err != nil {
		return err
	}
	if err := r.cache.write(image); err != nil {
		return err
	}
	r.own.memory = mem
	return nil
}

// Save makes the state of every object durable that has changed.
func (r *Remote) Save(now time.Time) error {
	images, err := r.images(now)
	return errors.Join(err, r.keep(images))
}

// images makes the snapshots that are due. They are written without the lock.
func (r *Remote) images(now time.Time) ([]*cacheImage, error) {
	if !r.Writing {
		return nil, nil
	}
	var images []*cacheImage
	var errs []error
	for _, l := range r.sorted() {
		image, err := r.cache.image(l, r.dir, l.memory, false, now)
		errs = append(errs, err)
		if image != nil {
			images = append(images, image)
		}
	}
	return images, errors.Join(errs...)
}

// keep writes snapshots.
func (r *Remote) keep(images []*cacheImage) error {
	var errs []error
	for _, image := range images {
		errs = append(errs, r.cache.write(image))
	}
	return errors.Join(errs...)
}

// unlisted is a prefix that cannot be listed.
type unlisted struct{ r *Remote }

func (unlisted) Fold() *Fold { return NewFold() }

func (unlisted) Bad() []LineError { return nil }

func (unlisted) Warnings() []string { return nil }

// Gap says that nobody knows which objects there are.
func (u unlisted) Gap() error {
	if u.r.listed {
		return nil
	}
	return fmt.Errorf("%s was never listed, and nothing is known of the bans of other hosts", u.r.Address)
}

func (u unlisted) Health() Health { return Health{Path: u.r.Address.String(), Err: u.r.err} }
