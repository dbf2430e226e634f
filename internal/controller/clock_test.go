package controller

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"
	memory "unsafe" // a function of this package has the usual name

	"reconciler/internal/apply"
	"reconciler/internal/ec2sim"
)

// wallClock is this machine's clock, which somebody sets. As with the kernel's,
// the monotonic part of a reading goes on undisturbed, and so do the timeouts of
// the sets and the clock of AWS.
type wallClock struct{ by atomic.Int64 }

func (c *wallClock) now() time.Time { return stepped(time.Now(), time.Duration(c.by.Load())) }

func (c *wallClock) step(by time.Duration) { c.by.Add(int64(by)) }

// stepped gives a reading with a wall part that was moved and a monotonic part
// that was not, which no function of package time makes; readings in a bubble
// have no monotonic part at all. It takes the layout of time.Time for what it
// is: TestASteppedReadingKeepsItsMonotonicPart fails when that changes.
func stepped(t time.Time, by time.Duration) time.Time {
	const (
		hasMonotonic = 1 << 63
		nsecBits     = 30
	)
	var out struct {
		wall uint64
		ext  int64
		loc  *time.Location
	}
	since1885 := t.Unix() + int64(by/time.Second) - time.Date(1885, 1, 1, 0, 0, 0, 0, time.UTC).Unix()
	out.wall = hasMonotonic | uint64(since1885)<<nsecBits | uint64(t.Nanosecond())
	out.ext = 1 + int64(t.Sub(bubbleBegins))
	return *(*time.Time)(memory.Pointer(&out))
}

func TestASteppedReadingKeepsItsMonotonicPart(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		before := time.Now()
		began := stepped(before, 0)
		w.pass(time.Second)
		for _, by := range steps {
			then := stepped(time.Now(), by)
			if d := then.Round(0).Sub(before); d != by+time.Second {
				t.Errorf("a clock that was stepped by %v shows %v more after a second", by, d)
			}
			if d := then.Sub(began); d != time.Second {
				t.Errorf("after a step by %v the monotonic clock counts %v in a second", by, d)
			}
		}
	})
}

// The bubble's clock begins in the year 2000.
var steps = map[string]time.Duration{
	"an hour forth": time.Hour, "a day forth": 24 * time.Hour, "to the year 2100": time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC).Sub(bubbleBegins),
	"an hour back": -time.Hour, "a day back": -24 * time.Hour, "to the year 1970": time.Date(1970, 1, 1, 0, 1, 0, 0, time.UTC).Sub(bubbleBegins),
}

var bubbleBegins = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// startBy starts the daemon under a clock of its own.
func (w *world) startBy(c *wallClock) {
	w.t.Helper()
	l := w.loop(true)
	l.Now, l.Cloud.Now = c.now, c.now
	l.Backend.(*apply.Host).Now = c.now
	w.startLoop(l)
}

// banBy appends a ban that a writer on this machine makes, permanent with 0.
func (w *world) banBy(c *wallClock, addr string, lasts time.Duration) {
	w.t.Helper()
	bantime := int(lasts.Seconds())
	if bantime == 0 {
		bantime = -1
	}
	w.log(fmt.Sprintf(`{"op":"ban","ip":%q,"jail":"sshd","host":"bastion","time":%d,"bantime":%d}`, addr, c.now().Unix(), bantime))
}

// wantCalm: nothing is withheld and no target failed.
func (w *world) wantCalm(at string) {
	w.t.Helper()
	for _, bad := range []string{"withheld", "degraded", "failed", "panic"} {
		if i := strings.Index(w.said.String(), bad); i >= 0 {
			w.t.Errorf("%s the log says %q:\n%.800s", at, bad, w.said.String()[max(0, i-300):])
		}
	}
}

// wantBlocked: an address is blocked on the host and in the ACL, or on neither.
func (w *world) wantBlocked(at string, blocked bool, addrs ...string) {
	w.t.Helper()
	for _, a := range addrs {
		if host, edge := w.onHost(a), w.coveredAtEdge(a); host != blocked || edge != blocked {
			w.t.Errorf("%s %s is blocked by the host: %t, by the ACL: %t, want %t", at, a, host, edge, blocked)
		}
	}
}

const (
	forEver   = "203.0.113.1" // is banned for ever
	tenDays   = "203.0.113.2" // for ten days
	halfHour  = "203.0.113.3" // for half an hour
	afterward = "203.0.113.4" // for half an hour, once the clock is right again
)

// A clock that is set wrong for a moment and then right: what has not ended is
// enforced, each ban ends when it should, and no removal is left without a
// reason. While the clock is behind nothing is lifted; while it is ahead only
// what is over by that clock.
func TestAClockThatIsWrongForAMomentEndsNoBanForGood(t *testing.T) {
	for name, by := range steps {
		for _, wrong := range []time.Duration{500 * time.Millisecond, 3 * time.Second, 5 * time.Minute} {
			t.Run(fmt.Sprintf("%s/for %v", name, wrong), func(t *testing.T) {
				inWorld(t, func(t *testing.T, w *world) {
					var c wallClock
					w.startBy(&c)
					w.banBy(&c, forEver, 0)
					w.banBy(&c, tenDays, 240*time.Hour)
					w.banBy(&c, halfHour, 30*time.Minute)
					w.pass(10 * time.Second)
					w.wantBlocked("before the step", true, forEver, tenDays, halfHour)
					spared := []string{forEver}
					if by < 240*time.Hour {
						spared = append(spared, tenDays)
					}
					if by < 0 {
						spared = append(spared, halfHour)
					}
					var watching atomic.Bool
					watching.Store(true)
					w.sim.OnCall(func(call ec2sim.Call) {
						for _, a := range spared {
							if watching.Load() && (!w.onHost(a) || !w.coveredAtEdge(a)) {
								t.Errorf("around the step, after %s, %s is not blocked in both places", call.Action, a)
							}
						}
					})
					c.step(by)
					w.pass(wrong)
					c.step(-by)
					w.pass(2 * time.Second)
					watching.Store(false)
					w.wantHost(true, forEver, tenDays, halfHour)
					w.banBy(&c, afterward, 30*time.Minute)
					w.pass(90 * time.Second)
					w.wantBlocked("after the step", true, forEver, tenDays, halfHour, afterward)
					w.wantCalm("after the step")
					w.pass(30*time.Minute + 2*time.Second) // all of half an hour is over, and a resync
					w.wantHost(false, halfHour, afterward)
					w.pass(time.Minute)
					w.wantBlocked("half an hour later", false, halfHour, afterward)
					w.wantBlocked("half an hour later", true, forEver, tenDays)
					c.step(240 * time.Hour)
					w.pass(90 * time.Second)
					w.wantBlocked("ten days later", false, tenDays)
					w.wantBlocked("ten days later", true, forEver)
					w.wantCalm("in the end")
				})
			})
		}
	}
}
