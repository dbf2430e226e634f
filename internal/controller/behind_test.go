package controller

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// lineByLine makes every line of a log a portion.
func lineByLine() (enough func() bool) { return func() bool { return true } }

// longLog puts n bans into the log, one that is lifted again later, and a line.
func (w *world) longLog(n int, last string) {
	w.t.Helper()
	w.ban(time.Hour, "198.51.100.9")
	w.ban(time.Hour, addrs(n)...)
	w.unban("198.51.100.9")
	if last != "" {
		w.record(last)
	}
}

// A pause or an unban may be in what is not read yet.
func TestNothingIsDoneBeforeALongFirstReadingIsOver(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.longLog(20, "pause")
		w.portion = lineByLine
		w.start()
		w.pass(10 * time.Second)
		if n := w.writes(); n > 0 {
			t.Errorf("the ACL was written to %d times, and the log ends in a pause", n)
		}
		w.wantHost(false, "203.0.113.1", "198.51.100.9")
	})
}

func TestSystemdIsAskedForTimeAtEachPortionOfAFirstReading(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.longLog(20, "")
		w.portion = lineByLine
		l := w.loop(true)
		var words []string
		fed := 0
		w.hear = func(text string) {
			words = append(words, text)
			if strings.HasPrefix(text, "EXTEND_TIMEOUT_USEC=") && l.Turns() { // as the watchdog asks
				fed++
			}
		}
		w.startLoop(l)
		w.pass(10 * time.Second)
		extended := 0
		for _, text := range words[:slices.Index(words, "READY=1")] {
			if strings.HasPrefix(text, "EXTEND_TIMEOUT_USEC=90000000\n") {
				extended++
			}
		}
		if extended != 21 || fed != 21 { // 22 lines
			t.Errorf("22 lines extend the start %d times, and %d times the watchdog is fed:\n%s", extended, fed, strings.Join(words, "\n"))
		}
		if !slices.Contains(words[:slices.Index(words, "READY=1")], "EXTEND_TIMEOUT_USEC=90000000") {
			t.Error("the first order on its way to the host is given no time of its own")
		}
		w.wantHost(true, addrs(20)...)
		w.wantHost(false, "198.51.100.9")
	})
}

// However often it is killed, and at whatever line, it comes to the end: the place
// is saved at each portion, with all that the other log and the memory hold.
func TestADaemonThatIsKilledInALongReadingComesToItsEnd(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		_, b := w.twoLogs()
		w.start()
		w.put(b, "198.51.100.1", -1)
		w.ban(time.Hour, "198.51.100.2")
		w.pass(5 * time.Second)
		usages := fmt.Sprint(w.store.Usages())
		w.end()
		w.longLog(20, "")
		w.portion = lineByLine
		starts := 0
		for ; starts < 50; starts++ {
			l := w.loop(true)
			behind, err := w.store.Behind(time.Now())
			if err != nil {
				t.Fatal(err)
			}
			if got := fmt.Sprint(l.Store.Usages()); got != usages {
				t.Fatalf("start %d remembers the use of ACLs as %s, not %s", starts, got, usages)
			}
			if !behind {
				break
			}
			_ = w.store.Close() // the kernel closes its files
		}
		if starts != 21 {
			t.Errorf("22 lines take %d starts that are killed after a line each", starts)
		}
		_ = w.store.Close()
		w.start()
		w.pass(5 * time.Second)
		w.wantHost(true, append(addrs(20), "198.51.100.1", "198.51.100.2")...)
		w.wantHost(false, "198.51.100.9")
		if said := w.said.String(); strings.Contains(said, "withheld") {
			t.Errorf("a removal is withheld:\n%s", said)
		}
	})
}

// No event and no poll is waited for between two portions.
func TestARunningDaemonReadsOnAtOnceAndActsMeanwhile(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.portion = lineByLine
		w.start()
		w.pass(5 * time.Second)
		before := w.now.board.current().number
		w.longLog(40, "")
		w.pass(900 * time.Millisecond)
		w.wantHost(true, addrs(40)...)
		w.wantHost(false, "198.51.100.9")
		if orders := w.now.board.current().number - before; orders < 40 {
			t.Errorf("42 portions have made %d orders: bans wait for the end of the log", orders)
		}
	})
}

// The line that prolongs a ban may be in what is not read yet.
func TestBetweenTwoPortionsNothingIsLifted(t *testing.T) {
	d := newDepot(t, "bans.jsonl")
	d.portion = lineByLine
	d.ban(0, "203.0.113.1", "203.0.113.2", "203.0.113.3")
	d.mustOpen()
	for i := range 3 {
		set := d.store.Set(d.now)
		if unknown := len(set.Unknown) > 0; len(set.Bans) != i+1 || unknown != (i < 2) {
			t.Errorf("after %d lines of 3 the set has %d bans and leaves open what is not read: %t", i+1, len(set.Bans), unknown)
		}
		if err := d.refresh(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestATermEndsALongReadingAndSavesThePlace(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.longLog(20, "")
		w.portion = lineByLine
		for _, run := range []func(l *Loop, ctx context.Context) error{
			func(l *Loop, ctx context.Context) error { return l.Run(ctx) },
			func(l *Loop, ctx context.Context) error {
				if _, err := l.Once(ctx, false); !errors.Is(err, context.Canceled) {
					return fmt.Errorf("an apply ends with %w", err)
				}
				return nil
			},
		} {
			l := w.loop(true)
			ctx, cancel := context.WithCancel(t.Context())
			portions := 0
			l.Notify = func(string) {
				if portions++; portions == 5 {
					cancel()
				}
			}
			if err := run(l, ctx); err != nil {
				t.Errorf("it ends with %v", err)
			}
			cancel()
			if portions != 5 {
				t.Errorf("it was told to end at the fifth portion and went on to %d", portions)
			}
			_ = w.store.Close()
		}
		w.loop(true)
		if lines := w.store.files[0].Health().Lines; lines < 10 || lines > 14 {
			t.Errorf("the third start begins at line %d", lines)
		}
		if n := w.writes(); n > 0 {
			t.Errorf("%d writes were made before all was known", n)
		}
	})
}
