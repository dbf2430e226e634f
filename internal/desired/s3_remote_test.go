package desired

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
)

const (
	sharedLog = "s3://bucket/bans.jsonl"
	hostLogs  = "s3://bucket/bans/"
)

// bothForms runs a test with a shared object and with an object per host.
func bothForms(t *testing.T, test func(t *testing.T, address string)) {
	for name, address := range map[string]string{"one object": sharedLog, "an object per host": hostLogs} {
		t.Run(name, func(t *testing.T) { test(t, address) })
	}
}

func TestABanOnOneHostIsWantedOnTheOthersAfterALook(t *testing.T) {
	bothForms(t, func(t *testing.T, address string) {
		store := newFakeStore()
		a, b := newStation(t, store, address, "a").open(), newStation(t, store, address, "b").open()
		a.record(banLine("192.0.2.1", "a", 1000))
		a.wants("before any network", "192.0.2.1")
		a.mustTurn()
		b.mustTurn()
		b.wants("after its look", "192.0.2.1")
		b.record(banLine("192.0.2.2", "b", 1000))
		b.mustTurn()
		a.mustTurn()
		a.wants("after the other's ban", "192.0.2.1 192.0.2.2")
		b.wants("with its own", "192.0.2.1 192.0.2.2")
		if n, err := a.outboxes().Pending(); n != 0 || err != nil {
			t.Errorf("%d bytes wait in the spool after a delivery (%v)", n, err)
		}
	})
}

func TestAnUnbanByHandReachesTheBansOfEveryHost(t *testing.T) {
	bothForms(t, func(t *testing.T, address string) {
		store := newFakeStore()
		a, b := newStation(t, store, address, "a").open(), newStation(t, store, address, "b").open()
		a.record(banLine("192.0.2.1", "a", 1000), banLine("192.0.2.2", "a", 1000))
		a.mustTurn()
		b.mustTurn()
		a.now, b.now = at(1030), at(1030)
		b.record(`{"op":"unban","ip":"192.0.2.1","time":1010}`)
		b.wants("at once on the host of the unban", "192.0.2.2")
		b.mustTurn()
		a.mustTurn()
		a.wants("after its look", "192.0.2.2")
		if why := a.set().Lifted[mustPrefix("192.0.2.1/32")]; why != Unbanned {
			t.Errorf("the removal on the other host has the reason %q", why)
		}
		c := newStation(t, store, address, "c").open()
		c.now = at(1030)
		c.mustTurn()
		c.wants("on a host that comes later", "192.0.2.2")
		a.record(banLine("192.0.2.1", "a", 1020))
		a.mustTurn()
		b.mustTurn()
		b.wants("after a ban that is newer than the unban", "192.0.2.1 192.0.2.2")
	})
}

func TestABanThatIsDeliveredLateDoesNotOutliveAnUnbanMadeMeanwhile(t *testing.T) {
	store := newFakeStore()
	a, b := newStation(t, store, hostLogs, "a").open(), newStation(t, store, hostLogs, "b").open()
	a.now, b.now = at(1030), at(1030)
	a.record(banLine("192.0.2.1", "a", 1000)) // cut off: not delivered
	b.record(`{"op":"unban","ip":"192.0.2.1","time":1010}`)
	b.mustTurn()
	a.mustTurn()
	b.mustTurn()
	a.wants("after the line is mended", "")
	b.wants("though the ban came later", "")
}

func TestAHostSpeaksOnlyForItselfUnderAPrefix(t *testing.T) {
	store := newFakeStore()
	a := newStation(t, store, hostLogs, "a").open()
	a.record(banLine("192.0.2.1", "a", 1000))
	a.mustTurn()
	store.put("bans/evil.jsonl", strings.Join([]string{
		`{"op":"unban","ip":"192.0.2.1","jail":"j","host":"a","time":1001}`,
		`{"op":"flush","jail":"j","host":"a","time":1001}`,
		`{"op":"pause","time":1001}`,
		`{"op":"pause","host":"a","time":1001}`,
		`{"op":"confirm","time":1001}`,
		`{"op":"ban","ip":"192.0.2.9","jail":"j","host":"a","time":1001,"bantime":100000}`,
		`{"op":"unban","ip":"192.0.2.9","jail":"j","time":1002}`,
		`{"op":"ban","ip":"192.0.2.8","jail":"j","time":1001,"bantime":100000}`, "",
	}, "\n"))
	a.mustTurn()
	a.wants("after records that speak for it", "192.0.2.1 192.0.2.8")
	set := a.set()
	if set.Paused || !set.Confirmed.IsZero() {
		t.Errorf("another host's pause or confirm counts: %v %v", set.Paused, set.Confirmed)
	}
	if len(set.Bad) != 3 {
		t.Errorf("%d lines are reported, want the three that name another host: %v", len(set.Bad), set.Bad)
	}
}

func TestAPauseInASharedLogIsForTheHostThatItNames(t *testing.T) {
	store := newFakeStore()
	a, b := newStation(t, store, sharedLog, "a").open(), newStation(t, store, sharedLog, "b").open()
	a.record(`{"op":"pause","host":"a","time":1001}`)
	a.mustTurn()
	b.mustTurn()
	if !a.set().Paused || b.set().Paused {
		t.Errorf("paused are a: %v, b: %v", a.set().Paused, b.set().Paused)
	}
}

func TestAStoreThatIsDownLiftsNothingAlsoAcrossARestart(t *testing.T) {
	bothForms(t, func(t *testing.T, address string) {
		store := newFakeStore()
		a, b := newStation(t, store, address, "a").open(), newStation(t, store, address, "b").open()
		a.record(banLine("192.0.2.1", "a", 1000))
		a.mustTurn()
		b.mustTurn()
		store.setWeather(store.down)
		if err := b.turn(); err == nil {
			t.Error("a look at a store that is down succeeds")
		}
		b.wants("while the store is down", "192.0.2.1")
		if err := b.r.trouble(); !errors.Is(err, ErrUnavailable) {
			t.Errorf("it is reported as: %v", err)
		}
		b.open()
		b.wants("after a restart without the network", "192.0.2.1")
		_ = b.turn()
		b.wants("after another look in vain", "192.0.2.1")
		b.record(banLine("192.0.2.2", "b", 1000))
		b.wants("with a ban of its own from the spool", "192.0.2.1 192.0.2.2")
		store.setWeather(nil)
		b.mustTurn()
		a.mustTurn()
		a.wants("once the line is mended", "192.0.2.1 192.0.2.2")
		if words, err := b.set().Warnings, b.r.trouble(); len(words) != 0 || err != nil {
			t.Errorf("trouble that is over is still told: %q, %v", words, err)
		}
	})
}

func TestAnObjectThatIsGoneOrCutOrOldIsUnavailableAndNeverEmpty(t *testing.T) {
	for name, damage := range map[string]func(store *fakeStore, key, old string){
		"it is missing":            func(s *fakeStore, key, _ string) { s.remove(key) },
		"it is empty":              func(s *fakeStore, key, _ string) { s.put(key, "") },
		"its last line is cut off": func(s *fakeStore, key, _ string) { s.put(key, s.body(key)[:len(s.body(key))-20]) },
		"it is an older version":   func(s *fakeStore, key, old string) { s.put(key, old) },
	} {
		t.Run(name, func(t *testing.T) {
			bothForms(t, func(t *testing.T, address string) {
				store := newFakeStore()
				a, b := newStation(t, store, address, "a").open(), newStation(t, store, address, "b").open()
				key := a.addr.ObjectOf("a")
				a.record(banLine("192.0.2.1", "a", 1000))
				a.mustTurn()
				old := store.body(key)
				a.record(banLine("192.0.2.2", "a", 1001), `{"op":"unban","ip":"192.0.2.1","jail":"j","host":"a","time":1002}`)
				a.mustTurn()
				b.mustTurn()
				whole := store.body(key)
				damage(store, key, old)
				for _, again := range []bool{false, true} {
					if again {
						b.open()
					}
					if err := b.turn(); !errors.Is(err, ErrUnavailable) {
						t.Errorf("after a restart %v: the look gives %v, not ErrUnavailable", again, err)
					}
					b.wants(name, "192.0.2.2")
				}
				a.record(banLine("192.0.2.3", "a", 1005))
				_ = a.turn()
				_ = b.turn()
				b.wants("with a new record in the damaged object", "192.0.2.2 192.0.2.3")
				store.put(key, whole)
				_ = b.turn()
				b.wants("when it is put back as it was", "192.0.2.2 192.0.2.3")
			})
		})
	}
}

func TestAnIdleHostMakesOneCallALook(t *testing.T) {
	for address, call := range map[string]string{sharedLog: "get", hostLogs: "list"} {
		store := newFakeStore()
		hosts := []*station{newStation(t, store, address, "a").open(), newStation(t, store, address, "b").open()}
		for i, h := range hosts {
			h.record(banLine(fmt.Sprintf("192.0.2.%d", i), h.host, 1000))
			h.mustTurn()
		}
		hosts[0].mustTurn()
		hosts[0].mustTurn()
		before := store.count("get") + store.count("put") + store.count("list")
		named := store.count(call)
		for range 10 {
			hosts[0].mustTurn()
		}
		if all := store.count("get") + store.count("put") + store.count("list") - before; all != 10 || store.count(call)-named != 10 {
			t.Errorf("%s: 10 looks with no news make %d calls, %d of them %s", address, all, store.count(call)-named, call)
		}
	}
}

func TestALargeObjectIsNotRead(t *testing.T) {
	bothForms(t, func(t *testing.T, address string) {
		store := newFakeStore()
		a := newStation(t, store, address, "a")
		a.limit = 300
		a.open()
		a.record(banLine("192.0.2.1", "a", 1000))
		a.mustTurn()
		store.put(a.addr.ObjectOf("a"), store.body(a.addr.ObjectOf("a"))+strings.Repeat("x", 300)+"\n")
		if err := a.turn(); !errors.Is(err, ErrTooLarge) {
			t.Errorf("the look gives %v, not ErrTooLarge", err)
		}
		a.wants("with an object over the limit", "192.0.2.1")
	})
}

func TestOneHostKeepsTheSnapshotsOfAnAddress(t *testing.T) {
	store := newFakeStore()
	a := newStation(t, store, hostLogs, "a").open()
	_, err := OpenRemote(a.r.RemoteOptions, &a.lock)
	if !errors.Is(err, ErrLocked) {
		t.Errorf("a second daemon gets %v, not ErrLocked", err)
	}
	reading := a.r.RemoteOptions
	reading.Writing = false
	if _, err := OpenRemote(reading, &a.lock); err != nil {
		t.Errorf("a command that only reads gets %v", err)
	}
}

func TestADamagedSnapshotIsPassedOverAndAForeignOneIsNot(t *testing.T) {
	store := newFakeStore()
	a := newStation(t, store, hostLogs, "a").open()
	a.record(banLine("192.0.2.1", "a", 1000))
	a.mustTurn()
	path := a.r.own.cachePath(a.r.dir)
	if err := os.WriteFile(path, []byte("garbage\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	a.open()
	a.mustTurn()
	a.wants("from the object", "192.0.2.1")
	a.close()
	if err := os.Chmod(path, 0o666); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenRemote(RemoteOptions{Address: a.addr, Host: "a", Target: true, CacheDir: a.dir + "/cache", Now: timeNow}, &a.lock); !errors.Is(err, ErrUnknown) {
		t.Errorf("a snapshot that anybody may write is read: %v", err)
	}
}

func TestMemoryOutlivesTheProcess(t *testing.T) {
	store := newFakeStore()
	a := newStation(t, store, hostLogs, "a").open()
	mem := fullSnapshot(t).header.Memory
	if err := a.r.SaveSnapshot(mem, a.now); err != nil {
		t.Fatal(err)
	}
	a.record(banLine("192.0.2.1", "a", 1000))
	a.mustTurn()
	a.open()
	if got := a.r.Memory(); fmt.Sprint(got) != fmt.Sprint(mem) {
		t.Errorf("the memory is %v, not %v", got, mem)
	}
}
