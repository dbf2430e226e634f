package desired

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// copyDir keeps what a directory of the spool holds, and puts it back.
func copyDir(t *testing.T, dir string) (putBack func()) {
	t.Helper()
	kept := t.TempDir()
	if err := os.CopyFS(kept, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	return func() {
		t.Helper()
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
		if err := os.CopyFS(dir, os.DirFS(kept)); err != nil {
			t.Fatal(err)
		}
	}
}

func TestBansTakenAfterAnOlderSpoolWasPutBackCount(t *testing.T) {
	for _, wait := range []int{1, 7 * 86400} { // within the memory of ids, and long past it
		bothForms(t, func(t *testing.T, address string) {
			store := newFakeStore()
			a, b := newStation(t, store, address, "a").open(), newStation(t, store, address, "b").open()
			a.record(banLine("192.0.2.1", "a", 1000))
			putBack := copyDir(t, a.dir+"/spool")
			a.mustTurn()
			a.record(`{"op":"unban","ip":"192.0.2.1","jail":"j","host":"a","time":1001}`)
			for i := range 3 {
				a.record(banLine(fmt.Sprintf("192.0.2.1%d", i), "a", 1002))
			}
			a.mustTurn()
			b.mustTurn()

			putBack()
			a.now = at(int64(1002 + wait))
			b.now = a.now
			for i := range 5 {
				a.record(strings.Replace(banLine(fmt.Sprintf("192.0.2.2%d", i), "a", 1002+wait), "100000", "-1", 1))
			}
			want := "192.0.2.10 192.0.2.11 192.0.2.12 192.0.2.20 192.0.2.21 192.0.2.22 192.0.2.23 192.0.2.24"
			if wait > 100000 {
				want = "192.0.2.20 192.0.2.21 192.0.2.22 192.0.2.23 192.0.2.24"
			}
			a.wants("before the delivery", want)
			a.mustTurn()
			b.mustTurn()
			a.wants("after the delivery", want)
			b.wants("after its look", want)
			c := newStation(t, store, address, "c").open()
			c.now = a.now
			c.mustTurn()
			c.wants("that is new", want)
		})
	}
}

// The ban is compacted away, and its id with it, before the spool comes back.
func TestASpoolThatIsPutBackAfterACompactionRevivesNoBan(t *testing.T) {
	for name, lost := range map[string]bool{"with its snapshot": false, "with its snapshot lost": true} {
		t.Run(name, func(t *testing.T) {
			store := newFakeStore()
			a := newStation(t, store, hostLogs, "a")
			a.small = 1
			a.open()
			a.record(strings.Replace(banLine("192.0.2.1", "a", 1000), "100000", "-1", 1))
			putBack := copyDir(t, a.dir+"/spool")
			a.mustTurn()
			a.record(`{"op":"unban","ip":"192.0.2.1","jail":"j","host":"a","time":1001}`)
			const later = 1000 + 3*86400
			a.now = at(later)
			for i := range 20 {
				a.record(banLine("192.0.2.2", "a", later-4000+200*i))
			}
			a.mustTurn()
			if n := strings.Count(store.body("bans/a.jsonl"), "192.0.2.2"); n > 2 {
				t.Fatalf("no compaction took place:\n%s", store.body("bans/a.jsonl"))
			}
			putBack()
			a.close()
			if lost {
				if err := os.RemoveAll(a.dir + "/cache"); err != nil {
					t.Fatal(err)
				}
			}
			a.open()
			a.mustTurn()
			a.wants("after its spool was put back", "192.0.2.2")
			b := newStation(t, store, hostLogs, "b").open()
			b.now = a.now
			b.mustTurn()
			b.wants("that is new", "192.0.2.2")
		})
	}
}

func TestTwoInstancesFromOneImageLoseNothing(t *testing.T) {
	bothForms(t, func(t *testing.T, address string) {
		store := newFakeStore()
		a := newStation(t, store, address, "a").open()
		a.record(banLine("192.0.2.1", "a", 1000))
		a.mustTurn()
		a.record(banLine("192.0.2.2", "a", 1001)) // in the image, and not delivered
		a.close()
		twin := newStation(t, store, address, "a")
		if err := os.CopyFS(twin.dir+"/x", os.DirFS(a.dir)); err != nil {
			t.Fatal(err)
		}
		twin.dir += "/x"
		twin.open()
		a.open()
		for i := range 4 {
			a.record(banLine(fmt.Sprintf("192.0.2.1%d", i), "a", 1002))
			twin.record(banLine(fmt.Sprintf("192.0.2.2%d", i), "a", 1002))
			a.mustTurn()
			twin.mustTurn()
		}
		a.mustTurn()
		const want = "192.0.2.1 192.0.2.2 192.0.2.10 192.0.2.11 192.0.2.12 192.0.2.13 192.0.2.20 192.0.2.21 192.0.2.22 192.0.2.23"
		a.wants("the first", want)
		twin.wants("its twin", want)
		for id, n := range idsIn(t, store.body(a.addr.ObjectOf("a"))) {
			if n != 1 {
				t.Errorf("%v is there %d times", id, n)
			}
		}
	})
}

func TestWhatAnEarlierReleaseWroteIsReadWithoutLoss(t *testing.T) {
	store := newFakeStore()
	a := newStation(t, store, hostLogs, "a")
	store.put("bans/a.jsonl", strings.Join([]string{
		`{"op":"seen","time":1000,"id":"compaction-3","nonce":"ab"}`,
		`{"op":"ban","ip":"192.0.2.1","jail":"j","host":"a","time":1000,"bantime":100000,"id":"a.spool.0011223344556677-210"}`,
		`{"op":"ban","ip":"192.0.2.2","jail":"j","host":"a","time":1001,"bantime":100000,"id":"a.spool.0011223344556677-210"}`,
		`{"op":"seen","time":1000,"id":"a.spool.8899aabbccddeeff-900"}`, "",
	}, "\n"))
	path := a.outboxes()[0].Path
	if err := os.MkdirAll(a.dir+"/spool", 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(strings.Join([]string{
		`{"op":"seen","time":1000,"id":"a.spool.8899aabbccddeeff-800"}`,
		`{"op":"ban","ip":"192.0.2.3","jail":"j","host":"a","time":1002,"bantime":100000,"id":"a.spool.8899aabbccddeeff-870"}`, "",
	}, "\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	a.open()
	a.record(banLine("192.0.2.4", "a", 1003))
	a.mustTurn()
	a.wants("with a number that comes twice, and one below a mark", "192.0.2.1 192.0.2.2 192.0.2.3 192.0.2.4")
	for _, s := range []*station{a, newStation(t, store, hostLogs, "b")} {
		s.open()
		s.mustTurn()
		s.wants("after a start", "192.0.2.1 192.0.2.2 192.0.2.3 192.0.2.4")
	}
	f := NewFold()
	if err := f.restore(&entry{kind: "writer", host: "a.spool.8899aabbccddeeff", seq: 900, at: at(1000)}); err != nil {
		t.Errorf("a snapshot with the number of a writer is refused: %v", err)
	}
}

func TestACompactionKeepsWhatALaterReleaseWrote(t *testing.T) {
	l, now := logOf(hostLogs), at(40*86400)
	const line = `{"op":"hold","ip":"192.0.2.9","time":5,"id":"x","until":17}`
	body := []byte(line + "\n" + banLine("192.0.2.1", "g", 1000) + "\n" + banLine("192.0.2.2", "g", 40*86400) + "\n")
	l.take(Object{Body: body, Tag: "1"}, now)
	small := string(l.condense(body, now))
	if !strings.Contains(small, line+"\n") {
		t.Errorf("kept is:\n%s", small)
	}
}

func TestARecordThatCameLateToAnOlderObjectIsTaken(t *testing.T) {
	store := newFakeStore()
	b := newStation(t, store, sharedLog, "b").open()
	old := banLine("192.0.2.1", "a", 1000) + "\n"
	store.put("bans.jsonl", old+banLine("192.0.2.2", "a", 9000)+"\n")
	b.now = at(9000)
	b.mustTurn()
	store.put("bans.jsonl", old+strings.Replace(banLine("192.0.2.3", "c", 2000), "}", `,"id":"late"}`, 1)+"\n")
	_ = b.turn()
	b.wants("with an older copy that a host appended to which was cut off for long", "192.0.2.1 192.0.2.2 192.0.2.3")
}
