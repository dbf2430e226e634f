package desired

import (
	"testing"
	"time"
)

// A ban that waited in a spool is one of those that the flush means, wherever its
// line stands, so what calls the flush off keeps it too.
func TestALateBanIsMarkedByTheFlushThatIsUnderWay(t *testing.T) {
	f := NewFold()
	late := Record{Op: OpBan, Prefix: nth(1), Host: "h", Jail: "j", Bantime: -1, Time: at(100), ID: "b-1"}
	for _, rec := range []Record{
		{Op: OpFlush, Host: "h", Jail: "j", Defer: 5 * time.Second, Time: at(1000), ID: "f-1"},
		late,
		{Op: OpStop, Host: "h", Jail: "j", Time: at(2000), ID: "s-1"},
	} {
		if rec.Op == OpStop {
			if n := len(Union(at(1999), f).Bans); n != 0 {
				t.Errorf("past the deadline of the flush %d bans are wanted, and it means the only one", n)
			}
		}
		if err := f.Apply(rec, rec.Time); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(Union(at(2001), f).Bans); n != 1 {
		t.Errorf("the flush was called off, and %d bans are wanted, want the one that it had marked", n)
	}
}
