package desired

import (
	"context"
	"strings"
	"testing"
)

// A ban storm that goes on for as long as the delivery does must not hold it:
// the reading of other hosts' logs and the compaction wait behind it.
func TestADeliveryEndsThoughWritersNeverRest(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	store := newFakeStore()
	box := &Outbox{Path: t.TempDir() + "/spool.jsonl", Host: "h", Now: timeNow}
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
