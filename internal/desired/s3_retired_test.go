package desired

import (
	"errors"
	"os"
	"strings"
	"testing"
)

func TestTheObjectOfARetiredHostIsForgottenOnceNothingOfItIsInForce(t *testing.T) {
	store := newFakeStore()
	a, b := newStation(t, store, hostLogs, "a").open(), newStation(t, store, hostLogs, "b").open()
	a.record(banLine("192.0.2.1", "a", 1000), strings.Replace(banLine("192.0.2.2", "a", 1000), "100000", "-1", 1))
	a.mustTurn()
	b.mustTurn()
	b.wants("at first", "192.0.2.1 192.0.2.2")
	store.remove("bans/a.jsonl")
	look := func(until string) {
		t.Helper()
		for range 2 { // and after a restart
			err := b.r.Look(t.Context())
			if !errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), until) {
				t.Errorf("a missing object is reported as %v, want words of %q", err, until)
			}
			b.open()
		}
	}
	look("reconciler unban -- 192.0.2.2")
	b.record(`{"op":"unban","ip":"192.0.2.2","time":1001}`)
	b.now = at(1002)
	b.wants("after an unban", "192.0.2.1")
	look("the last one ends, at " + at(101000).Format("2006-01-02T15:04:05Z07:00"))
	b.now = at(101001)
	b.wants("after the last end", "")
	look("every target has confirmed")
	b.set()
	for _, s := range b.r.States() {
		s.Fold().Forget(s.Fold().Generation(), mustPrefix("192.0.2.1/32"), mustPrefix("192.0.2.2/32"))
	}
	b.mustTurn()
	b.open()
	b.mustTurn()
	if n := len(b.r.States()); n != 1 {
		t.Errorf("%d logs are known, want that of this host alone", n)
	}
	l := newObjectLog(b.addr, "bans/a.jsonl", "b")
	if _, err := os.Stat(l.cachePath(b.r.dir)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("its snapshot is still there (%v)", err)
	}
	back := newStation(t, store, hostLogs, "a").open()
	back.now = at(101001)
	back.record(banLine("192.0.2.3", "a", 101001))
	back.mustTurn()
	b.mustTurn()
	b.wants("when a host of that name comes back", "192.0.2.3")
	b.open()
	b.wants("and after a restart", "192.0.2.3")
}

func TestTheObjectOfThisHostIsNotForgotten(t *testing.T) {
	store := newFakeStore()
	a := newStation(t, store, hostLogs, "a").open()
	a.record(`{"op":"unban","ip":"192.0.2.1","time":1000}`)
	a.mustTurn()
	store.remove("bans/a.jsonl")
	if err := a.r.Look(t.Context()); !errors.Is(err, ErrUnavailable) {
		t.Errorf("a missing object of one's own is reported as %v", err)
	}
}
