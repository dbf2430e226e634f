package desired

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"
)

// missing takes that an object of the prefix is gone. That of a host that was
// retired must not be missed for ever: once nothing of it has an effect any more
// it is forgotten, with its snapshot. Until then it may have been deleted by
// mistake, and its bans stay.
func (r *Remote) missing(l *objectLog) {
	if l == r.own || l.host == "" {
		l.fail(ErrNoObject)
		return
	}
	until := l.intake.fold.remembered(r.Now())
	if until == "" {
		r.forget(l)
		return
	}
	l.err = fmt.Errorf("%s is missing; put it back, or, if %s is retired, let it be: its bans are remembered until %s: %w",
		l.name, l.host, until, ErrUnavailable)
}

func (r *Remote) forget(l *objectLog) {
	if r.Writing {
		path := l.cachePath(r.dir)
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			l.err = fmt.Errorf("%s is gone, and its snapshot could not be removed: %w", l.name, err)
			return
		}
		r.cache.drop(path)
	}
	delete(r.logs, l.key)
}

// drop says that a snapshot is no longer on disk.
func (w *cacheWriter) drop(path string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.shows, path)
}

// remembered says until when the fold has an effect; empty is no longer. A claim
// that has just ended has one until every target has confirmed its removal.
func (f *Fold) remembered(now time.Time) string {
	f.Advance(now)
	var last time.Time
	for _, c := range f.sorted() {
		if c.overAt(now) {
			continue
		}
		if c.until.IsZero() {
			return fmt.Sprintf("its permanent ones are lifted, such as with: reconciler unban -- %s", appendPrefix(nil, c.prefix))
		}
		last = later(last, c.until)
	}
	if !last.IsZero() {
		return "the last one ends, at " + last.UTC().Format(time.RFC3339)
	}
	if len(f.lifted) > 0 {
		return "every target has confirmed that they are removed"
	}
	return ""
}
