package controller

import (
	"fmt"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"reconciler/internal/ec2sim"
)

// waiting gives the lifted prefixes that some target has not confirmed yet.
func (w *world) waiting() int { return len(w.store.Set(time.Now()).Lifted) }

// many gives n addresses that no other test uses.
func many(n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = fmt.Sprintf("198.18.%d.%d", i>>8, i&255)
	}
	return out
}

func (w *world) unread() *ec2sim.Injection {
	return w.sim.Inject(ec2sim.Fault{Kind: ec2sim.FailBefore, Action: "DescribeNetworkAcls", Count: ec2sim.Always})
}

// Only prefixes that were written to an ACL wait for that ACL, whatever keeps it
// from being read.
func TestBansThatEndWaitForNoACLThatTheyWereNeverIn(t *testing.T) {
	const bans = 2000
	for _, c := range []struct {
		name   string
		before func(*world)
	}{
		{"never read", func(w *world) { w.config.NACL = []string{w.acl}; w.unread(); w.start() }},
		{"not discovered", func(w *world) { w.unread(); w.start() }},
		{"does not exist", func(w *world) { w.config.NACL = []string{"acl-0123456789abcdef0"}; w.start() }},
		{"not read any more", func(w *world) { w.start(); w.pass(5 * time.Second); w.unread() }},
		{"configured no longer", func(w *world) {
			w.start()
			w.pass(5 * time.Second)
			w.ban(time.Minute, "203.0.113.1")
			w.pass(5 * time.Minute)
			w.end()
			w.config.NACL = []string{"acl-0123456789abcdef0"}
			w.start()
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				c.before(w)
				w.pass(5 * time.Second)
				w.ban(time.Minute, many(bans)...)
				w.pass(4 * time.Minute)
				w.wantHost(false, "198.18.0.1")
				if n := w.waiting(); n > 20 {
					t.Errorf("%d of %d prefixes wait for an ACL that they were never written to", n, bans)
				}
			})
		})
	}
}

// What was written to an ACL waits for it through a crash, also when it cannot be
// read afterwards.
func TestWhatWasWrittenToAnACLWaitsForItThroughACrash(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.config.NACL = []string{w.acl}
		w.start()
		w.pass(5 * time.Second)
		w.ban(5*time.Minute, addrs(3)...)
		w.pass(5 * time.Second)
		w.wantEdge(w.acl, "203.0.113.1/32", "203.0.113.2/32", "203.0.113.3/32")
		saved, err := os.ReadFile(w.config.State[0] + ".snap.held")
		if err != nil || !strings.Contains(string(saved), "203.0.113.3/32") {
			t.Fatalf("what the ACL holds is not on disk: %s, %v", saved, err)
		}
		w.end()
		if err := os.WriteFile(w.config.State[0]+".snap.held", saved, 0o600); err != nil { // as a kill would leave it
			t.Fatal(err)
		}
		away := w.unread()
		w.start()
		w.ban(time.Minute, many(500)...)
		w.pass(20 * time.Minute)
		if n := w.waiting(); n != 3 {
			t.Fatalf("%d prefixes wait, want the 3 that were written", n)
		}
		away.Release()
		w.pass(5 * time.Minute)
		if left := w.denies(w.acl); len(left) > 0 || w.waiting() > 0 {
			t.Errorf("all bans have ended; the ACL still denies %v, and %d prefixes wait", left, w.waiting())
		}
	})
}

// A write may land although its answer was lost: the prefix was on record before.
func TestAPrefixIsOnRecordBeforeItIsWritten(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.config.NACL = []string{w.acl}
		w.start()
		w.pass(5 * time.Second)
		w.sim.OnCall(func(c ec2sim.Call) {
			if c.Action != "CreateNetworkAclEntry" {
				return
			}
			if saved, _ := os.ReadFile(w.config.State[0] + ".snap.held"); !strings.Contains(string(saved), "203.0.113.1/32") {
				t.Errorf("the entry is made and the disk says %s", saved)
			}
		})
		w.ban(time.Hour, "203.0.113.1")
		w.pass(5 * time.Second)
		w.wantEdge(w.acl, "203.0.113.1/32")
	})
}

// A release before this one has kept no such record: then an ACL that was written
// to is waited for until it was read once.
func TestWithoutARecordEveryACLThatWasWrittenToIsAsked(t *testing.T) {
	for i, lost := range []string{"", "{\"acl-0", "", "{\"acl-0"} {
		inWorld(t, func(t *testing.T, w *world) {
			if i > 1 {
				w.config.NACL = []string{w.acl}
			}
			w.start()
			w.pass(5 * time.Second)
			w.ban(time.Minute, "203.0.113.1")
			w.pass(5 * time.Second)
			w.end()
			held := w.config.State[0] + ".snap.held"
			if err := os.Remove(held); err != nil {
				t.Fatal(err)
			}
			if lost != "" {
				if err := os.WriteFile(held, []byte(lost), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			away := w.unread()
			w.start()
			w.pass(10 * time.Minute)
			if w.waiting() != 1 {
				t.Fatal("the prefix was forgotten while its entry was in the ACL")
			}
			away.Release()
			w.pass(3 * time.Minute)
			if left := w.denies(w.acl); len(left) > 0 || w.waiting() > 0 {
				t.Errorf("the ban has ended; the ACL still denies %v, and %d prefixes wait", left, w.waiting())
			}
		})
	}
}

// What somebody else has put into the window becomes ours when a ban names it, and
// must not be forgotten while the ACL cannot be read.
func TestAnEntryThatWasThereBeforeItsBanWaitsForTheACL(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		theirs := ec2sim.Entry{Number: 40, Protocol: "-1", Prefix: netip.MustParsePrefix("203.0.113.9/32")}
		if err := w.sim.PutEntry(w.acl, theirs); err != nil {
			t.Fatal(err)
		}
		w.start()
		w.pass(5 * time.Second)
		away := w.unread()
		w.ban(5*time.Minute, "203.0.113.9")
		w.pass(10 * time.Minute)
		away.Release()
		w.pass(5 * time.Minute)
		if left := w.denies(w.acl); len(left) > 0 {
			t.Errorf("the ban has ended and the ACL denies %v for ever", left)
		}
	})
}

// Only a look that comes after the write takes a prefix off the record: what a
// delete has taken away may come back with a write whose answer was lost.
func TestOnlyALaterLookTakesAPrefixOffTheRecord(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.start()
		w.pass(5 * time.Second)
		w.ban(10*time.Second, "203.0.113.1")
		w.pass(11 * time.Second)
		if len(w.denies(w.acl)) > 0 {
			t.Fatal("the ban has ended and its entry is there")
		}
		w.ban(10*time.Second, "203.0.113.2") // a create needs no look
		w.pass(time.Second)
		if held, _ := w.store.Held(w.acl); !held[netip.MustParsePrefix("203.0.113.1/32")] {
			t.Error("it went off the record without a look")
		}
		w.pass(2 * time.Minute)
		if held, known := w.store.Held(w.acl); len(held) > 0 || !known {
			t.Errorf("two looks later the record still has %v", held)
		}
	})
}

// A disk that is full keeps no ban out of an ACL. The record goes instead, so that
// nothing is concluded from one that is not complete.
func TestADiskThatCannotBeWrittenKeepsNoBanOutOfAnACL(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.start()
		w.pass(5 * time.Second)
		w.ban(time.Hour, "203.0.113.1")
		w.pass(5 * time.Second)
		held := w.config.State[0] + ".snap.held"
		if err := os.Remove(held); err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll(held+"/x", 0o700); err != nil { // nothing can be renamed to it
			t.Fatal(err)
		}
		w.ban(time.Hour, "203.0.113.2")
		w.pass(15 * time.Second)
		w.wantEdge(w.acl, "203.0.113.2/32")
		if said := w.said.String(); !strings.Contains(said, "what the ACLs may hold") {
			t.Errorf("the daemon did not say so: %s", said)
		}
		if err := os.RemoveAll(held); err != nil {
			t.Fatal(err)
		}
		w.pass(15 * time.Second)
		if saved, err := os.ReadFile(held); err != nil || !strings.Contains(string(saved), "203.0.113.2/32") {
			t.Errorf("with the disk mended the record is %s, %v", saved, err)
		}
	})
}

// Files that were put back may have a record that is older than the ACL. A start
// waits a while for a first look before it believes it.
func TestAnOldRecordIsNotBelievedWhileTheACLMayBeReadSoon(t *testing.T) {
	for _, name := range []string{"auto", "by name"} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				if name != "auto" {
					w.config.NACL = []string{w.acl}
				}
				w.start()
				w.pass(5 * time.Second)
				held := w.config.State[0] + ".snap.held"
				old, err := os.ReadFile(held)
				if err != nil {
					t.Fatal(err)
				}
				w.ban(time.Minute, "203.0.113.1")
				w.pass(5 * time.Second)
				w.end()
				if err := os.WriteFile(held, old, 0o600); err != nil {
					t.Fatal(err)
				}
				w.pass(2 * time.Minute)
				away := w.unread()
				w.start()
				w.pass(20 * time.Second)
				away.Release()
				w.pass(2 * time.Minute)
				if left := w.denies(w.acl); len(left) > 0 {
					t.Errorf("the ban has ended and the ACL denies %v for ever", left)
				}
			})
		})
	}
}
