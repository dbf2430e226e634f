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

// status gives what systemd was told last and what is true now. It is called at
// moments at which nothing is under way.
func (w *world) status() (told, now string) {
	l := w.now
	order := l.board.current()
	s := plan.Summarise(order.want, l.board.state(), l.summaryLimits(order.limits), time.Now())
	fresh := &teller{log: hclog.NewNullLogger(), said: l.tell.said}
	return w.told, "STATUS=" + fresh.state(s, l.set.Paused, l.board.latest())
}

func TestSystemdIsToldWhatIsTrueAtEveryMoment(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		said := map[string]bool{}
		check := func(after string) {
			t.Helper()
			w.pass(2 * time.Minute)
			told, now := w.status()
			if told != now {
				t.Errorf("after %s systemd was told %q, and %q is true", after, told, now)
			}
			said[told] = true
		}
		w.start()
		check("the start")
		w.ban(time.Hour, "203.0.113.7", "203.0.113.8")
		check("two bans")
		w.sim.Inject(ec2sim.Fault{Kind: ec2sim.FailBefore, Count: ec2sim.Always})
		check("the loss of EC2")
		w.sim.ReleaseAll()
		check("its return")
		w.fw.Reset()
		allow := ec2sim.Entry{Number: 1, Allow: true, Protocol: "-1", Prefix: netip.MustParsePrefix("203.0.113.0/24")}
		if err := w.sim.PutEntry(w.acl, allow); err != nil {
			t.Fatal(err)
		}
		check("an allow that overrules an entry")
		w.record("pause")
		check("a pause")
		w.record("resume")
		check("its end")
		w.pass(time.Hour)
		check("the end of all bans")
		if len(said) < 6 {
			t.Errorf("only %d different lines were told: %v", len(said), said)
		}
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
