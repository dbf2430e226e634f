package controller

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"reconciler/internal/ec2sim"
)

func TestThirtyBansOnAnEmptyACLCostOneDescribeAndEighteenCreates(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		if err := w.sim.RemoveEntry(w.acl, false, 101); err != nil {
			t.Fatal(err)
		}
		w.config.NACL = []string{w.acl}
		w.ban(time.Hour, addrs(30)...)
		l := w.loop(true)
		report, err := l.Once(t.Context(), false)
		if err != nil {
			t.Fatalf("the first apply: %v", err)
		}
		describes, creates, all := w.sim.Count("DescribeNetworkAcls"), w.sim.Count("CreateNetworkAclEntry"), len(w.sim.Calls())
		if describes != 1 || creates != 18 || all != 19 {
			t.Errorf("30 bans cost %d describes and %d creates in %d calls, want 1, 18 and 19", describes, creates, all)
		}
		if s := report.Summary; s.Active != 30 || s.Host.Enforced != 30 || s.NACL[w.acl]["ipv4"].Enforced != 18 || s.NACL[w.acl]["ipv4"].Capacity != 18 {
			t.Errorf("the summary is %+v, want 30 active, 30 on the host, 18 of 18 in the ACL", s)
		}
		w.sim.ResetCalls()
		w.fw.ForgetCalls()
		if report, err = l.Once(t.Context(), false); err != nil || len(report.Outcomes) != 0 {
			t.Errorf("the second apply changed %v (%v), want nothing", report.Outcomes, err)
		}
		if w.writes() != 0 || len(w.fw.Writes()) != 0 {
			t.Errorf("the second apply made %d mutating calls and %d host writes, want none", w.writes(), len(w.fw.Writes()))
		}
	})
}

// `fail2ban-client unban --all` with a slow action: the jails are flushed one
// after the other, and so are their bans lifted.
func TestAnUnbanOfAllCostsOneCallForEachEntry(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		jails := []string{"crowd", "sshd"}
		for i, jail := range jails {
			var lines []string
			for n := range 30 {
				lines = append(lines, fmt.Sprintf(`{"op":"ban","ip":"203.0.113.%d","jail":%q,"host":"bastion","time":%d,"bantime":3600}`, 100*i+n, jail, time.Now().Unix()))
			}
			w.log(lines...)
		}
		w.start()
		w.pass(5 * time.Second)
		held := len(w.denies(w.acl))
		w.sim.ResetCalls()
		for _, jail := range jails {
			w.log(fmt.Sprintf(`{"op":"flush","jail":%q,"host":"bastion","time":%d,"defer":30}`, jail, time.Now().Unix()))
			w.pass(12 * time.Second)
		}
		w.pass(time.Minute)
		if left := w.denies(w.acl); len(left) > 0 || held == 0 {
			t.Errorf("%d entries were there, and %v are left", held, left)
		}
		if got := w.writes(); got != held {
			t.Errorf("%d calls lifted %d entries:%v", got, held, w.sim.Writes())
		}
	})
}

func TestABurstOfAThousandBansMakesOneOrTwoHostWrites(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.start()
		w.pass(5 * time.Second)
		w.fw.ForgetCalls()
		for i := range 1000 { // a line at a time, as fast as a shell can
			w.ban(time.Hour, fmt.Sprintf("198.18.%d.%d", i/250, i%250+1))
		}
		w.pass(time.Second)
		w.wantHost(true, "198.18.0.1", "198.18.3.250")
		if n := len(w.fw.Writes()); n < 1 || n > 2 {
			t.Errorf("1,000 bans made %d host writes, want 1 or 2: %v", n, w.fw.Writes())
		}
	})
}

func TestTheWindowIsOnRecordBeforeTheFirstWrite(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.start()
		w.pass(5 * time.Second)
		w.sim.OnCall(func(c ec2sim.Call) {
			if c.Write {
				snap, err := os.ReadFile(w.config.State[0] + ".snap")
				if err != nil || !strings.Contains(string(snap), w.acl) {
					t.Errorf("at the first write the snapshot (%v) does not name %s", err, w.acl)
				}
			}
		})
		w.ban(time.Hour, "203.0.113.7")
		w.pass(5 * time.Second)
		w.wantEdge(w.acl, "203.0.113.7/32")
	})
}
