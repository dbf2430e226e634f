package desired

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// deliverAll lets every host of a store deliver what waits.
func deliverAll(t *testing.T, store *fakeStore) {
	t.Helper()
	stations.Lock()
	defer stations.Unlock()
	for _, s := range stations.of[store] {
		s.mustTurn()
		if n, err := s.outboxes().Pending(); n != 0 || err != nil {
			t.Errorf("%d bytes still wait on %s (%v)", n, s.host, err)
		}
	}
}

func TestADeliveryThatDiesBetweenAnyTwoStepsLosesAndDoublesNothing(t *testing.T) {
	store := newFakeStore()
	a := newStation(t, store, hostLogs, "a").open()
	for i := range 5 {
		a.record(banLine(fmt.Sprintf("10.0.0.%d", i+1), "a", 1000))
	}
	path := a.outboxes()[0].Path
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	a.mustTurn()
	// Killed after the object was written and before the spool was cut.
	if err := os.WriteFile(path, before, 0o600); err != nil {
		t.Fatal(err)
	}
	a.record(banLine("10.0.0.6", "a", 1000))
	a.open()
	a.mustTurn()
	// Killed while the new spool was written.
	if err := os.WriteFile(a.dir+"/spool/."+strings.TrimPrefix(path, a.dir+"/spool/")+"12345", []byte("torn"), 0o600); err != nil {
		t.Fatal(err)
	}
	a.open()
	a.mustTurn()
	ids := idsIn(t, store.body("bans/a.jsonl"))
	for id, n := range ids {
		if n != 1 {
			t.Errorf("%v is there %d times", id, n)
		}
	}
	if len(ids) != 6 {
		t.Errorf("%d records are there, want 6:\n%s", len(ids), store.body("bans/a.jsonl"))
	}
	if left, err := os.ReadDir(a.dir + "/spool"); err != nil || len(left) != 2 {
		t.Errorf("the spool's directory holds %v (%v), want the spool and its lock", left, err)
	}
}

func TestASpoolDeliversEachRecordInOrderUnderAnIdOfItsOwn(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		dir, err := os.MkdirTemp("", "spool")
		if err != nil {
			rt.Fatal(err)
		}
		defer os.RemoveAll(dir) //nolint:errcheck // a temporary directory
		store := newFakeStore()
		box := &Outbox{Path: dir + "/spool.jsonl", Now: timeNow}
		var want []string
		for i := range rapid.IntRange(1, 12).Draw(rt, "steps") {
			switch rapid.IntRange(0, 4).Draw(rt, "step") {
			case 0:
				if _, err := box.Deliver(context.Background(), bucketOf(store), "k"); err != nil {
					rt.Fatal(err)
				}
			case 1: // a writer died in its line
				if file, err := os.OpenFile(box.Path, os.O_WRONLY|os.O_APPEND, 0); err == nil {
					_, _ = file.WriteString(`{"op":"ban","ip":"192.0.2.1","jail":"torn`)
					_ = file.Close()
				}
			default:
				ip := fmt.Sprintf("10.0.0.%d", i+1)
				want = append(want, ip)
				if err := box.Append(context.Background(), Record{Op: OpBan, Prefix: mustPrefix(ip + "/32"), Bantime: 10}); err != nil {
					rt.Fatal(err)
				}
			}
		}
		if _, err := box.Deliver(context.Background(), bucketOf(store), "k"); err != nil {
			rt.Fatal(err)
		}
		var got []string
		ids := map[ID]bool{}
		for line := range strings.Lines(store.body("k")) {
			rec, err := ParseRecord([]byte(strings.TrimSuffix(line, "\n")))
			if err != nil {
				rt.Fatalf("delivered is %q: %v", line, err)
			}
			if rec.ID == "" || ids[rec.ID] {
				rt.Fatalf("the id %q is none, or comes twice", rec.ID)
			}
			ids[rec.ID] = true
			got = append(got, rec.Prefix.Addr().String())
		}
		if !slices.Equal(got, want) {
			rt.Fatalf("delivered are %v, want %v in this order", got, want)
		}
	})
}

func TestAFullDiskSendsTheRecordsToTheOtherSpoolInOrder(t *testing.T) {
	store := newFakeStore()
	a := newStation(t, store, hostLogs, "a").open()
	boxes := a.outboxes()
	a.record(banLine("10.0.0.1", "a", 1000))
	rec := func(ip string) Record {
		return Record{Op: OpBan, Prefix: mustPrefix(ip + "/32"), Bantime: 1000, Host: "a"}
	}
	// As after a write that found no room: the second spool has a record.
	if err := boxes[1].Append(t.Context(), rec("10.0.0.2")); err != nil {
		t.Fatal(err)
	}
	if spooled, err := boxes.Append(t.Context(), rec("10.0.0.3")); err != nil || spooled != nil {
		t.Fatal(spooled, err)
	}
	a.wants("from both spools", "10.0.0.1 10.0.0.2 10.0.0.3")
	a.mustTurn()
	var order []string
	for line := range strings.Lines(store.body("bans/a.jsonl")) {
		rec, err := ParseRecord([]byte(strings.TrimSuffix(line, "\n")))
		if err != nil {
			t.Fatal(err)
		}
		order = append(order, rec.Prefix.Addr().String())
	}
	if got := strings.Join(order, " "); got != "10.0.0.1 10.0.0.2 10.0.0.3" {
		t.Errorf("delivered are %s, not in the order in which they were made", got)
	}
	a.record(banLine("10.0.0.4", "a", 1000))
	if n, _ := boxes[1].Pending(); n != 0 {
		t.Error("an empty second spool is still written to")
	}
}

func TestACommandWithoutASpoolWritesToS3AndFallsBackToIt(t *testing.T) {
	store := newFakeStore()
	a := newStation(t, store, hostLogs, "a")
	sender := Sender{
		Address: a.addr, Host: "a", Outboxes: a.outboxes(), Direct: true, Limit: 1 << 20, Timeout: 100 * time.Millisecond, Now: timeNow,
		Connect: func(context.Context) (Objects, error) { return store, nil },
	}
	ban := func(ip string) *Spooled {
		t.Helper()
		spooled, err := sender.Append(t.Context(), Record{Op: OpBan, Prefix: mustPrefix(ip + "/32"), Bantime: 1000, Host: "a", Jail: "j"})
		if err != nil {
			t.Fatalf("a ban fails: %v", err)
		}
		return spooled
	}
	if ban("10.0.0.1") != nil {
		t.Error("with the store up there is a warning")
	}
	// The answers are lost though the writes have their effect.
	store.setWeather(func(call, _ string) (error, error) {
		if call == "put" {
			return nil, errWeather
		}
		return nil, nil
	})
	if ban("10.0.0.2") != nil {
		t.Error("a write that is found by reading again is warned of")
	}
	// The write has its effect, and from then on nothing is heard.
	written := false
	store.setWeather(func(call, _ string) (error, error) {
		if written {
			return errWeather, nil
		}
		if call == "put" {
			written = true
			return nil, errWeather
		}
		return nil, nil
	})
	if ban("10.0.0.9") == nil {
		t.Error("an append that is not known to have come through is not warned of")
	}
	store.setWeather(store.down)
	if s := ban("10.0.0.3"); s == nil || !strings.Contains(s.String(), "reconciler run") {
		t.Errorf("with the store down the warning is %v", s)
	}
	store.setWeather(nil)
	if ban("10.0.0.4") != nil { // goes behind the one that waits, and takes it along
		t.Error("with the store up again there is a warning")
	}
	a.open()
	a.mustTurn()
	a.wants("in the end", "10.0.0.1 10.0.0.2 10.0.0.3 10.0.0.4 10.0.0.9")
	if body := store.body("bans/a.jsonl"); strings.Count(body, "\n") != 5 {
		t.Errorf("five bans made this:\n%s", body)
	}
}
