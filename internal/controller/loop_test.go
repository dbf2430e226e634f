package controller

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"reconciler/internal/config"
	"reconciler/internal/desired"
	"reconciler/internal/ec2sim"
	"reconciler/internal/hostfake"
)

func TestABanReachesTheHostBeforeAnyEC2CallAndThenTheACL(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.start()
		w.pass(5 * time.Second)
		w.sim.ResetCalls()
		w.sim.OnCall(func(c ec2sim.Call) {
			if c.Action == "CreateNetworkAclEntry" && !w.onHost("203.0.113.7") {
				t.Errorf("%s was called before the host blocked the address", c.Action)
			}
		})
		w.ban(time.Hour, "203.0.113.7", "2001:db8::7")
		w.pass(time.Second)
		w.wantHost(true, "203.0.113.7", "2001:db8::7")
		w.wantEdge(w.acl, "203.0.113.7/32", "2001:db8::7/128")
		w.wantHost(false, "203.0.113.8")
		if got := len(w.sim.Calls()); got != 2 {
			t.Errorf("two bans cost %d calls of EC2, want 2 creates on the known picture", got)
		}
	})
}

func TestAHangingEC2DelaysTheHostByNothing(t *testing.T) {
	inWorld(t, func(_ *testing.T, w *world) {
		w.start()
		w.pass(5 * time.Second)
		w.sim.Inject(ec2sim.Fault{Kind: ec2sim.HangBefore, Count: ec2sim.Always})
		for i := range 5 {
			w.ban(time.Hour, fmt.Sprintf("203.0.113.%d", i+1))
			w.pass(time.Second)
			w.wantHost(true, fmt.Sprintf("203.0.113.%d", i+1))
		}
		w.sim.ReleaseAll()
		w.pass(3 * time.Minute)
		w.wantEdge(w.acl, "203.0.113.1/32", "203.0.113.5/32")
	})
}

func TestAnExpiredBanLeavesTheHostOnTimeAndTheACLWithinACycle(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.start()
		w.pass(5 * time.Second)
		w.ban(100*time.Second, "203.0.113.7")
		w.pass(95 * time.Second)
		w.wantHost(true, "203.0.113.7")
		w.wantEdge(w.acl, "203.0.113.7/32")
		w.pass(7 * time.Second)
		w.wantHost(false, "203.0.113.7")
		if w.atEdge(w.acl, "203.0.113.7/32") {
			t.Errorf("the expired ban is still in the ACL: %v", w.denies(w.acl))
		}
	})
}

func TestStoppingLiftsNothingAndARestartChangesNothing(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.start()
		w.pass(5 * time.Second)
		w.ban(time.Hour, addrs(25)...)
		w.pass(5 * time.Second)
		w.end()
		w.wantHost(true, addrs(25)...)
		before := w.denies(w.acl)
		w.sim.ResetCalls()
		w.fw.ForgetCalls()
		w.start()
		w.pass(30 * time.Second)
		w.wantHost(true, addrs(25)...)
		if fmt.Sprint(before) != fmt.Sprint(w.denies(w.acl)) || w.writes() != 0 {
			t.Errorf("a restart made %d mutating calls and turned %v into %v, want no change", w.writes(), before, w.denies(w.acl))
		}
		if n := len(w.fw.Writes()); n != 0 {
			t.Errorf("a restart wrote %d times to the host, want none: %v", n, w.fw.Writes())
		}
	})
}

func TestWhatSomebodyRemovesIsBackWithinOneRead(t *testing.T) {
	for name, damage := range map[string]func(w *world){
		"the set was flushed":    func(w *world) { w.fw.Somebody("flush f2b-reconciler-v4\n", "ipset", "-exist", "restore") },
		"everything was flushed": func(w *world) { w.fw.Reset() },
		"the jump was deleted": func(w *world) {
			w.fw.Somebody("*filter\n-D INPUT -j f2b-reconciler\nCOMMIT\n", "iptables-restore", "--noflush", "-w", "5")
		},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(_ *testing.T, w *world) {
				w.start()
				w.pass(5 * time.Second)
				w.ban(time.Hour, addrs(30)...)
				w.pass(5 * time.Second)
				w.wantHost(true, addrs(30)...)
				damage(w)
				w.wantHost(false, "203.0.113.30")
				w.pass(hostResync + time.Second)
				w.wantHost(true, addrs(30)...)
			})
		})
	}
}

func TestAHandEditedACLIsRepairedAndForeignRulesAreLeftAlone(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.start()
		w.pass(5 * time.Second)
		w.ban(time.Hour, addrs(3)...)
		w.pass(40 * time.Second)
		foreign := ec2sim.Entry{Number: 50, Protocol: "-1", Prefix: netip.MustParsePrefix("192.0.2.99/32")}
		if err := w.sim.PutEntry(w.acl, foreign); err != nil {
			t.Fatal(err)
		}
		if err := w.sim.RemoveEntry(w.acl, false, 2); err != nil {
			t.Fatal(err)
		}
		w.pass(w.config.Resync + 5*time.Second)
		w.wantEdge(w.acl, "203.0.113.1/32", "203.0.113.2/32", "203.0.113.3/32", "192.0.2.99/32")
		if !strings.Contains(w.said.String(), "drift") {
			t.Errorf("the log does not say that an entry had gone:\n%s", w.said)
		}
		w.unban("203.0.113.1")
		w.pass(5 * time.Second)
		w.wantEdge(w.acl, "192.0.2.99/32")
	})
}

func TestPauseLiftsEverythingOfOursAndResumeGoesOn(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		before := w.fw.Dump()
		w.start()
		w.pass(5 * time.Second)
		w.ban(time.Hour, addrs(5)...)
		w.pass(5 * time.Second)
		w.record("pause")
		w.pass(20 * time.Second)
		if got := w.denies(w.acl); len(got) != 0 {
			t.Errorf("after a pause the ACL still denies %v", got)
		}
		if after := w.fw.Dump(); after != before {
			t.Errorf("after a pause the firewall is\n%s\nwant it as it was before\n%s", after, before)
		}
		w.ban(time.Hour, "203.0.113.77")
		w.pass(20 * time.Second)
		w.wantHost(false, "203.0.113.77")
		w.record("resume")
		w.pass(5 * time.Second)
		w.wantHost(true, append(addrs(5), "203.0.113.77")...)
		w.wantEdge(w.acl, "203.0.113.1/32", "203.0.113.77/32")
	})
}

func TestARemovalWithoutAReasonIsWithheldUntilItIsConfirmed(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.start()
		w.pass(5 * time.Second)
		w.ban(time.Hour, "203.0.113.7")
		w.pass(time.Second)
		w.fw.Somebody("add f2b-reconciler-v4 192.0.2.1 timeout 3000\n", "ipset", "-exist", "restore")
		w.pass(time.Minute)
		w.wantHost(true, "192.0.2.1", "203.0.113.7")
		if !strings.Contains(w.said.String(), "withheld") || !strings.Contains(w.said.String(), "degraded") {
			t.Errorf("the log does not say that a removal was withheld:\n%s", w.said)
		}
		w.record("confirm")
		w.pass(15 * time.Second)
		w.wantHost(false, "192.0.2.1")
		w.wantHost(true, "203.0.113.7")
		w.fw.Somebody("add f2b-reconciler-v4 192.0.2.2 timeout 3000\n", "ipset", "-exist", "restore")
		w.pass(time.Minute)
		w.wantHost(true, "192.0.2.2") // one confirm is for once
	})
}

func TestAPlanTellsOfAPauseAndOfAnUnavailableLog(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.start()
		w.ban(time.Hour, "203.0.113.1")
		w.record("pause")
		w.pass(5 * time.Second)
		w.end()
		p, err := w.loop(false).Plan(t.Context())
		if err != nil || !strings.Contains(strings.Join(p.Warnings, " "), "resume") {
			t.Errorf("a paused plan warns of %q (%v), want a word about resume", p.Warnings, err)
		}
		if err := removeFile(w.config.State[0]); err != nil {
			t.Fatal(err)
		}
		if _, err := w.loop(false).Plan(t.Context()); !errors.Is(err, desired.ErrUnavailable) {
			t.Errorf("a plan without its log gives %v, want ErrUnavailable", err)
		}
	})
}

func TestAnInstanceIsProtectedFromBansOfItsOwnAddressesAndVPC(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.start()
		w.ban(time.Hour, "198.51.100.10", "10.0.77.1", "203.0.113.7")
		w.pass(5 * time.Second)
		w.wantHost(false, "198.51.100.10", "10.0.77.1")
		w.wantEdge(w.acl, "203.0.113.7/32")
		if got := w.denies(w.acl); len(got) != 1 {
			t.Errorf("the ACL denies %v, want the one ban that is not protected", got)
		}
	})
}

func TestWithoutACLsTheHostAloneEnforces(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.config.NACL = []string{config.NACLNone}
		w.start()
		w.ban(time.Hour, "203.0.113.7")
		w.pass(5 * time.Second)
		w.wantHost(true, "203.0.113.7")
		if n := len(w.sim.Calls()); n != 0 {
			t.Errorf("--nacl none made %d calls of EC2", n)
		}
	})
}

func TestAFailingFirewallIsToldOnceAndMendedWhenItRecovers(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		var broken atomic.Bool
		broken.Store(true)
		w.fw.Before = func(c hostfake.Call) error {
			if broken.Load() && c.Writes() {
				return hostfake.Complaint(c, "the kernel is out of sorts")
			}
			return nil
		}
		w.start()
		w.ban(time.Hour, "203.0.113.7")
		w.pass(2 * time.Minute)
		w.wantHost(false, "203.0.113.7")
		w.wantEdge(w.acl, "203.0.113.7/32")
		broken.Store(false)
		w.pass(2 * time.Minute)
		w.wantHost(true, "203.0.113.7")
		if !strings.Contains(w.said.String(), "recovered") {
			t.Errorf("the log does not say that the host recovered:\n%s", w.said)
		}
	})
}
