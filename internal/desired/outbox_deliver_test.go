package desired

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// A ban storm that goes on for as long as the delivery does must not hold it:
// the reading of other hosts' logs and the compaction wait behind it.
func TestADeliveryEndsThoughWritersNeverRest(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	store := newFakeStore()
	box := &Outbox{Path: t.TempDir() + "/spool.jsonl", Now: timeNow}
	ban := func(ip string) {
		if err := box.Append(context.Background(), Record{Op: OpBan, Prefix: mustPrefix(ip), Bantime: 10}); err != nil {
			t.Error(err)
		}
	}
	puts := 0
	store.weather = func(call, _ string) (before, after error) {
		if call != "put" {
			return nil, nil
		}
		if puts++; puts > 10 {
			cancel() // so that the delivery ends at all
		}
		ban("192.0.2.2/32")
		return nil, nil
	}
	ban("192.0.2.1/32")
	object, err := box.Deliver(ctx, bucketOf(store), "k")
	if err != nil {
		t.Fatalf("the delivery goes on as long as somebody writes: %d writes to the object, then %v", puts, err)
	}
	if !strings.Contains(string(object.Body), "192.0.2.1") {
		t.Errorf("the record that waited is not in the object:\n%s", object.Body)
	}
	if n, err := box.Pending(); err != nil || n == 0 {
		t.Errorf("%d bytes wait (%v), want those of the record that came meanwhile", n, err)
	}
}

// failSync lets the next sync fail, as a dying disk does, after something else
// has come first.
func failSync(t *testing.T, first func()) {
	t.Helper()
	before := syncFile
	t.Cleanup(func() { syncFile = before })
	syncFile = func(*os.File) error {
		syncFile = before
		first()
		return unix.EIO
	}
}

// A reader needs no lock, so it may see a record before its write has failed.
func TestTheRecordAfterAFailedWriteIsNoRepeatOfIt(t *testing.T) {
	a := newStation(t, newFakeStore(), hostLogs, "a").open()
	box := a.outboxes()[0]
	a.record(banLine("192.0.2.1", "a", 1000))
	failSync(t, func() { a.set() })
	ban := Record{Op: OpBan, Prefix: mustPrefix("192.0.2.2/32"), Jail: "j", Host: "a", Bantime: 1000}
	if err := box.Append(t.Context(), ban); !errors.Is(err, unix.EIO) {
		t.Fatalf("a failed sync is reported as %v", err)
	}
	a.record(banLine("192.0.2.3", "a", 1000))
	a.wants("with a record that was promised after one that was not", "192.0.2.1 192.0.2.2 192.0.2.3")
	a.mustTurn()
	if got := a.store.body("bans/a.jsonl"); !strings.Contains(got, "192.0.2.3") {
		t.Errorf("the promised record was not delivered:\n%s", got)
	}
}

func TestADeliveryCutsNothingThatItHasNotRead(t *testing.T) {
	for name, meanwhile := range map[string]func(box *Outbox) error{
		"the spool was removed, and begun anew": func(box *Outbox) error { return os.Remove(box.Path) },
		"the spool was emptied":                 func(box *Outbox) error { return os.Truncate(box.Path, 0) },
	} {
		t.Run(name, func(t *testing.T) {
			store := newFakeStore()
			box := &Outbox{Path: t.TempDir() + "/spool.jsonl", Now: timeNow}
			ban := func(ip string) {
				if err := box.Append(context.Background(), Record{Op: OpBan, Prefix: mustPrefix(ip), Bantime: 10}); err != nil {
					t.Error(err)
				}
			}
			store.weather = func(call, _ string) (before, after error) {
				if call == "put" && store.calls["put"] == 1 {
					if err := meanwhile(box); err != nil {
						t.Error(err)
					}
					ban("192.0.2.2/32")
				}
				return nil, nil
			}
			ban("192.0.2.1/32")
			for range 2 { // the second takes what came during the first
				if _, err := box.Deliver(t.Context(), bucketOf(store), "k"); err != nil {
					t.Fatal(err)
				}
			}
			if got := store.body("k"); !strings.Contains(got, "192.0.2.1") || !strings.Contains(got, "192.0.2.2") {
				t.Errorf("delivered is:\n%s", got)
			}
		})
	}
}
