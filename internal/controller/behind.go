package controller

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// extension is how long systemd is asked to wait for the next word of a start: that
// of the next portion, or that the first order has reached the host.
const extension = hostDeadline + 30*time.Second

var extended = fmt.Sprintf("EXTEND_TIMEOUT_USEC=%d", extension.Microseconds())

// aSecond is a portion of a log. A new ban waits no longer for the host, and
// after a kill no more is read again.
func aSecond() (enough func() bool) {
	began := time.Now()
	return func() bool { return time.Since(began) >= time.Second }
}

// readOn reads the sources to their ends, portion by portion. Nothing is decided
// before: a pause or an unban may be in what is not read yet.
func (l *Loop) readOn(ctx context.Context) error {
	var told error
	for {
		more, err := l.Store.Behind(l.Now())
		if !more {
			return told
		}
		if l.tell.trouble(saving, err); ctx.Err() != nil {
			return told
		}
		l.turns.Add(1)
		if !l.ready {
			l.Notify(extended + "\nSTATUS=reading the log")
		}
		_, err = l.Store.Refresh(l.Now())
		if l.tell.trouble(reading, err) && err != nil {
			told = errors.Join(told, err)
		}
	}
}

// goOn asks for the next portion of a source that has grown by more than one. What
// else the loop has to do comes in between.
func (l *Loop) goOn() {
	more, err := l.Store.Behind(l.Now())
	if !more {
		return
	}
	l.tell.trouble(saving, err)
	select {
	case l.news <- struct{}{}:
	default:
	}
}
