package controller

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"reconciler/internal/ec2sim"
)

// Reads that contradict our own fresh write are ignored, because they may be
// stale. An entry that we never wrote cannot be stale: it is somebody's.
func TestAHandEditRightAfterOurOwnWriteIsNotOverwritten(t *testing.T) {
	theirs := ec2sim.Entry{Number: 1, Protocol: "-1", Prefix: netip.MustParsePrefix("192.0.2.77/32")}
	for name, then := range map[string]func(w *world){
		"by a delete":  func(w *world) { w.unban("203.0.113.1") },
		"by a replace": func(w *world) { w.ban(time.Hour, addrs(30)...); w.unban("203.0.113.1") },
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				w.start()
				w.pass(5 * time.Second)
				w.ban(time.Hour, "203.0.113.1")
				w.pass(5 * time.Second)
				w.wantEdge(w.acl, "203.0.113.1/32")
				if err := w.sim.PutEntry(w.acl, theirs); err != nil {
					t.Fatal(err)
				}
				then(w)
				w.pass(3 * time.Minute)
				if got := w.denies(w.acl)[1]; got != theirs.Prefix.String() {
					t.Errorf("rule 1, which somebody wrote over, denies %q, want their %s", got, theirs.Prefix)
				}
			})
		})
	}
}

// The other way round: an entry that we replaced or deleted a moment ago, shown
// again by a stale read, is no hand edit.
func TestAStaleReadOfAnEntryThatWeReplacedIsNoHandEdit(t *testing.T) {
	inWorld(t, func(_ *testing.T, w *world) {
		w.config.Resync = 10 * time.Second
		w.start()
		w.pass(5 * time.Second)
		w.ban(time.Hour, addrs(19)...)
		w.pass(40 * time.Second)
		w.unban("203.0.113.1") // its slot goes to the one that waits: a replace
		w.pass(5 * time.Second)
		w.staleReadsChangeNothing(18 * time.Second)
	})
}

func TestAStaleReadAfterOurOwnWriteIsNoDrift(t *testing.T) {
	inWorld(t, func(_ *testing.T, w *world) {
		w.config.Resync = 10 * time.Second
		w.start()
		w.ban(time.Hour, addrs(5)...)
		w.pass(50 * time.Second)
		w.ban(time.Hour, "203.0.113.99")
		w.pass(5 * time.Second)
		w.staleReadsChangeNothing(15 * time.Second)
		w.wantEdge(w.acl, "203.0.113.99/32")
	})
}

// staleReadsChangeNothing lets time go by in which every read misses our last
// write: nothing is written for it, and nothing told. A resync has to lie in it,
// at which the actor reads and the discovery.
func (w *world) staleReadsChangeNothing(d time.Duration) {
	w.t.Helper()
	writes, reads, said := w.writes(), w.sim.Count("DescribeNetworkAcls"), w.said.String()
	w.sim.Inject(ec2sim.Fault{Kind: ec2sim.Stale, Action: "DescribeNetworkAcls", Writes: 1, Count: ec2sim.Always})
	w.pass(d)
	if got := w.sim.Count("DescribeNetworkAcls") - reads; got < 2 {
		w.t.Errorf("only %d reads were stale, so nothing was tried", got)
	}
	if w.writes() != writes {
		w.t.Errorf("stale reads made %d writes, want none", w.writes()-writes)
	}
	if news := strings.TrimPrefix(w.said.String(), said); news != "" {
		w.t.Errorf("stale reads were told as news, want nothing said:\n%s", news)
	}
}
