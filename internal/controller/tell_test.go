package controller

import (
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"reconciler/internal/ec2sim"
	"reconciler/internal/plan"
)

// status gives the figures that systemd was told last and those that are true
// now, at a moment at which nothing is under way; and the health that was told.
func (w *world) status() (told, now, health string) {
	order := w.now.board.current()
	s := plan.Summarise(order.want, w.now.board.state(), w.now.summaryLimits(order.limits), time.Now())
	words := newTeller(hclog.NewNullLogger(), time.Now).state(s, Health{State: HealthOK})
	health, told, _ = strings.Cut(w.told.Load().(string), " bans ")
	_, now, _ = strings.Cut(words, " bans ")
	return told, now, strings.TrimPrefix(health, "STATUS=health ")
}

func TestSystemdIsToldWhatIsTrueAtEveryMoment(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		check := func(after, want, health string) {
			t.Helper()
			w.pass(2 * time.Minute)
			told, now, how := w.status()
			if told != now || how != health || !strings.HasPrefix(told, want) {
				t.Errorf("after %s systemd was told health %s and %q, and %q is true; want %s and %s …", after, how, told, now, health, want)
			}
		}
		w.start()
		check("the start", "0 host 0", "ok")
		w.ban(time.Hour, "203.0.113.7", "203.0.113.8")
		check("two bans", "2 host 2", "ok")
		w.sim.Inject(ec2sim.Fault{Kind: ec2sim.FailBefore, Count: ec2sim.Always})
		check("the loss of EC2", "2 host 2", "degraded")
		w.sim.ReleaseAll()
		check("its return", "2 host 2", "ok")
		w.fw.Reset()
		allow := ec2sim.Entry{Number: 1, Allow: true, Protocol: "-1", Prefix: netip.MustParsePrefix("203.0.113.0/24")}
		if err := w.sim.PutEntry(w.acl, allow); err != nil {
			t.Fatal(err)
		}
		check("an allow that overrules all entries", "2 host 2 "+w.acl+"/ipv4 0/", "ok")
		w.record("pause")
		check("a pause", "0 host 0", "paused")
		w.record("resume")
		check("its end", "2 host 2", "ok")
		w.pass(time.Hour)
		check("the end of all bans", "0 host 0", "ok")
	})
}

func TestALogThatIsMissingIsToldOnce(t *testing.T) {
	for _, down := range []bool{false, true} {
		inWorld(t, func(t *testing.T, w *world) {
			w.start()
			w.ban(time.Hour, "203.0.113.7")
			w.pass(15 * time.Second)
			if down {
				w.end()
			}
			if err := os.Remove(w.config.State[0]); err != nil {
				t.Fatal(err)
			}
			if down {
				w.start()
			}
			w.pass(time.Minute)
			if n := strings.Count(w.said.String(), "is missing; put it back"); n != 1 {
				t.Errorf("down=%t: a log that is missing is told %d times, want once:\n%s", down, n, w.said.String())
			}
		})
	}
}
