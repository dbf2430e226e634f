package desired

import (
	"slices"
	"strings"
	"testing"
)

// What a plan makes of such a source is tried in package plan: nothing that it may
// want is lifted or shortened.
func TestWhatWasNeverReadInS3IsUnknown(t *testing.T) {
	bothForms(t, func(t *testing.T, address string) {
		store := newFakeStore()
		a := newStation(t, store, address, "a").open()
		a.record(banLine("192.0.2.1", "a", 1000))
		a.mustTurn()
		b := newStation(t, store, address, "b").open()
		store.setWeather(store.down)
		if err := b.turn(); err == nil {
			t.Fatal("a look at a store that is down succeeds")
		}
		if set := b.set(); len(set.Unknown) == 0 || len(set.Warnings) == 0 {
			t.Errorf("at a cold start without the network unknown is %q, and told is %q", set.Unknown, set.Warnings)
		}
		store.setWeather(nil)
		b.record(banLine("192.0.2.9", "b", 1000))
		b.mustTurn()
		if set := b.set(); len(set.Unknown) != 0 {
			t.Errorf("after a look unknown is %q", set.Unknown)
		}
		store.setWeather(store.down)
		_ = b.open().turn()
		if set := b.set(); len(set.Unknown) != 0 || len(set.Bans) != 2 {
			t.Errorf("after a restart, with what it has saved, unknown is %q and banned %v", set.Unknown, set.Bans)
		}
	})
}

func TestOneObjectThatCannotBeReadIsUnknownAndTheOthersCount(t *testing.T) {
	store := newFakeStore()
	for _, host := range []string{"a", "c"} {
		s := newStation(t, store, hostLogs, host).open()
		s.record(banLine("192.0.2.1", host, 1000), banLine("192.0.2."+map[string]string{"a": "2", "c": "3"}[host], host, 1000))
		s.mustTurn()
	}
	store.setWeather(func(call, key string) (before, after error) {
		if call == "get" && strings.Contains(key, "/c.") {
			return errWeather, nil
		}
		return nil, nil
	})
	b := newStation(t, store, hostLogs, "b").open()
	_ = b.turn()
	b.wants("with one object unread", "192.0.2.1 192.0.2.2")
	if set := b.set(); !slices.ContainsFunc(set.Unknown, func(name string) bool { return strings.Contains(name, "/c.") }) {
		t.Errorf("unknown is %q", set.Unknown)
	}
}

// A confirm is an event: at a cold start nobody has been told anything yet.
func TestAConfirmThatAColdStartFindsInS3IsOver(t *testing.T) {
	bothForms(t, func(t *testing.T, address string) {
		store := newFakeStore()
		a := newStation(t, store, address, "a").open()
		a.record(banLine("192.0.2.1", "a", 1000))
		a.record(`{"op":"confirm","host":"a","time":1001}`)
		a.mustTurn()
		anew := newStation(t, store, address, "a").open()
		anew.now = at(1002)
		anew.mustTurn()
		if set := anew.set(); !set.Confirmed.IsZero() || len(set.Bans) != 1 {
			t.Errorf("a confirm of before the start counts: %v; banned are %v", set.Confirmed, set.Bans)
		}
		anew.record(`{"op":"confirm","host":"a","time":1002}`)
		anew.mustTurn()
		if set := anew.set(); set.Confirmed.IsZero() {
			t.Error("a confirm of after the start does not count")
		}
	})
}
