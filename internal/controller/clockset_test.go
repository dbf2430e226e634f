package controller

import (
	"fmt"
	"testing"
	"time"
)

// A clock that was wrong and is set for good: what is due by it ends, on the
// host at once and in the ACL within a cycle; all else ends by the new clock,
// neither sooner nor never.
func TestAClockThatIsSetEndsBansByTheNewTime(t *testing.T) {
	for _, by := range []time.Duration{20 * time.Minute, time.Hour, -time.Hour, -24 * time.Hour} {
		for _, down := range []bool{false, true} {
			t.Run(fmt.Sprintf("by %v/down=%t", by, down), func(t *testing.T) {
				inWorld(t, func(_ *testing.T, w *world) {
					var c wallClock
					w.startBy(&c)
					w.banBy(&c, forEver, 0)
					w.banBy(&c, tenDays, 240*time.Hour)
					w.banBy(&c, halfHour, 30*time.Minute)
					w.pass(10 * time.Second)
					if down {
						w.end()
					}
					c.step(by)
					if down {
						w.startBy(&c)
					}
					w.pass(2 * time.Second)
					over := by > 30*time.Minute
					w.wantHost(!over, halfHour)
					w.pass(70 * time.Second)
					w.wantBlocked("after the step", !over, halfHour)
					w.wantBlocked("after the step", true, forEver, tenDays)
					if !over {
						w.pass(30*time.Minute - by - 90*time.Second) // to just before its end by the new clock
						w.wantBlocked("before its end", true, halfHour)
						w.pass(12 * time.Second)
						w.wantHost(false, halfHour)
						w.pass(70 * time.Second)
						w.wantBlocked("after its end", false, halfHour)
					}
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

// The daemon is dead while the clock is set: the kernel counts on as it did, and
// the next daemon puts its timeouts right.
func TestAClockThatIsSetWhileTheDaemonIsDeadOpensNoGap(t *testing.T) {
	for _, by := range []time.Duration{time.Hour, -time.Hour} {
		t.Run(by.String(), func(t *testing.T) {
			inWorld(t, func(_ *testing.T, w *world) {
				var c wallClock
				w.startBy(&c)
				w.banBy(&c, tenDays, 3*time.Hour)
				w.pass(10 * time.Second)
				w.end()
				c.step(by)
				w.pass(time.Hour)
				w.wantBlocked("while the daemon is dead", true, tenDays)
				w.startBy(&c)
				w.pass(2*time.Hour - by - time.Minute)
				w.wantBlocked("shortly before the end by the new clock", true, tenDays)
				w.pass(2 * time.Minute)
				w.wantBlocked("after the end by the new clock", false, tenDays)
				w.wantCalm("in the end")
			})
		})
	}
}

// What was recorded while the clock was ahead bears a time that has not come. It
// is enforced, ends when it says, can be lifted by hand, and spoils no later
// record.
func TestWhatIsRecordedUnderAWrongClockDoesNoHarmLater(t *testing.T) {
	for _, ahead := range []time.Duration{24 * time.Hour, 80 * 365 * 24 * time.Hour} {
		t.Run(ahead.String(), func(t *testing.T) {
			inWorld(t, func(_ *testing.T, w *world) {
				var c wallClock
				w.startBy(&c)
				w.banBy(&c, tenDays, 240*time.Hour)
				w.pass(5 * time.Second)
				c.step(ahead)
				w.banBy(&c, halfHour, 30*time.Minute)
				w.log(fmt.Sprintf(`{"op":"confirm","time":%d}`, c.now().Unix()))
				w.pass(5 * time.Second)
				c.step(-ahead)
				w.pass(70 * time.Second)
				w.wantBlocked("once the clock is right", true, halfHour, tenDays)
				w.pass(31 * time.Minute)
				w.wantBlocked("before the end that its record names", true, halfHour)
				w.log(fmt.Sprintf(`{"op":"unban","ip":%q,"time":%d}`, halfHour, c.now().Unix()))
				w.pass(70 * time.Second)
				w.wantBlocked("after an unban", false, halfHour)
				w.wantCalm("so far")
				// A confirm of the right time counts, though it is older by its stamp.
				w.fw.Somebody("add f2b-reconciler-v4 192.0.2.1 timeout 3000\n", "ipset", "-exist", "restore")
				w.pass(15 * time.Second)
				w.wantHost(true, "192.0.2.1")
				w.record("confirm")
				w.pass(15 * time.Second)
				w.wantHost(false, "192.0.2.1")
				w.fw.Somebody("add f2b-reconciler-v4 192.0.2.2 timeout 3000\n", "ipset", "-exist", "restore")
				w.pass(time.Minute)
				w.wantHost(true, "192.0.2.2") // once
			})
		})
	}
}

// A quota that was learned while the clock was ahead is tried again after a
// restart, and not only when that time has come.
func TestAQuotaThatWasLearnedInTheFutureIsTriedAgain(t *testing.T) {
	inWorld(t, func(_ *testing.T, w *world) {
		var c wallClock
		c.step(24 * time.Hour)
		w.sim.SetQuota(10)
		w.startBy(&c)
		w.ban(48*time.Hour, addrs(30)...)
		w.pass(10 * time.Second)
		w.end()
		c.step(-24 * time.Hour)
		w.sim.SetQuota(20)
		w.startBy(&c)
		w.pass(3 * time.Minute)
		if got := len(w.denies(w.acl)); got != 18 {
			t.Errorf("minutes after the clock was put right the ACL denies %d, want 18", got)
		}
	})
}
