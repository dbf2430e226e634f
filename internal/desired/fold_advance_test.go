package desired

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

const decades = 80 * 365 * 24 * time.Hour

// pass lets the clock of a fold go on in the steps that a daemon makes.
func pass(f *Fold, from time.Time, d time.Duration) time.Time {
	for end := from.Add(d); from.Before(end); {
		from = from.Add(min(time.Minute, end.Sub(from)))
		f.Advance(from)
	}
	return from
}

// A clock that jumps by decades and writes records there ends all for as long as
// it stays; once it is right, what had not ended by the right time goes on.
func TestAClockThatIsSoonSetBackDropsNoClaim(t *testing.T) {
	for _, stays := range []time.Duration{0, 5 * time.Second, 59 * time.Minute} {
		for name, restart := range map[string]func(*Fold) *Fold{
			"the same process": func(f *Fold) *Fold { return f },
			"restarted":        func(f *Fold) *Fold { return reload(t, f) },
		} {
			t.Run(fmt.Sprintf("%v, %s", stays, name), func(t *testing.T) {
				f := NewFold()
				mustApply(t, f.Apply, `{"op":"ban","ip":"192.0.2.1","time":0,"bantime":864000}`)
				now := pass(f, at(0), 2*time.Hour).Add(decades)
				mustApply(t, f.Apply, fmt.Sprintf(`{"op":"ban","ip":"192.0.2.2","time":%d,"bantime":600}`, now.Unix()))
				f.Advance(now)
				pass(f, now, stays/2)
				f = restart(f)
				pass(f, now.Add(stays/2), stays-stays/2)
				if got := len(Union(now.Add(stays), f).Lifted); got == 0 {
					t.Error("under the wrong clock nothing has ended")
				}
				f = restart(f)
				pass(f, at(7200), time.Minute)
				script{"at 7300: 192.0.2.1 192.0.2.2", "at 863999: 192.0.2.1 192.0.2.2", "at 864000: 192.0.2.2"}.
					run(t, f, restart)
			})
		}
	}
}

// The clock has borne out that a claim is over, so it is kept no longer.
func TestAClaimThatIsOverIsDroppedAnHourLater(t *testing.T) {
	f := NewFold()
	mustApply(t, f.Apply, `{"op":"ban","ip":"192.0.2.1","time":0,"bantime":60}`)
	mustApply(t, f.Apply, `{"op":"confirm","time":60}`)
	pass(f, at(0), 90*time.Second)
	for minute := 2; minute < 70; minute++ {
		mustApply(t, f.Apply, fmt.Sprintf(`{"op":"ban","ip":"198.51.100.%d","time":%d,"bantime":60}`, minute, 60*minute))
		pass(f, at(int64(60*minute)), time.Minute)
	}
	if got := len(f.sorted()); got > 62 {
		t.Errorf("%d claims are kept, want those of one hour", got)
	}
}

// A process that never sees the clock go on keeps no more than a bounded number.
func TestClaimsThatAreOverAreBounded(t *testing.T) {
	f := NewFold()
	for i := range maxOver + maxOver/4 {
		rec := Record{Op: OpBan, Prefix: netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), 32), Time: at(int64(i)), Bantime: 1}
		if err := f.Apply(rec, at(0)); err != nil {
			t.Fatal(err)
		}
	}
	f.Advance(at(0).Add(decades))
	if got := len(f.sorted()); got > maxOver || got < maxOver/2 {
		t.Errorf("%d claims that are over are kept, want %d at most, and not many less", got, maxOver)
	}
	last := f.sorted()[len(f.sorted())-1].until
	if want := at(maxOver + maxOver/4); !last.Equal(want) {
		t.Errorf("the last to end is one of %v, want the one of %v", last, want)
	}
}

// A look at the state by a clock that is off by any time changes nothing.
func TestALookUnderAWrongClockChangesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		records := rapid.SliceOfN(genRecord, 0, 25).Draw(t, "records")
		plain, restless := NewFold(), NewFold()
		for _, f := range []*Fold{plain, restless} {
			f.Advance(at(0)) // a process that has just started saw no jump
		}
		for i, rec := range records {
			for _, f := range []*Fold{plain, restless} {
				if err := f.Apply(rec, rec.Time); err != nil {
					t.Fatalf("%s: %v", rec.AppendJSON(nil), err)
				}
			}
			now := at(rapid.Int64Range(0, 300_000).Draw(t, fmt.Sprintf("look %d", i)))
			restless.Advance(now.Add(rapid.SampledFrom([]time.Duration{0, decades}).Draw(t, "off")))
		}
		now := at(rapid.Int64Range(0, 300_000).Draw(t, "then"))
		if diff := cmp.Diff(fmt.Sprint(Union(now, plain).Bans), fmt.Sprint(Union(now, restless).Bans)); diff != "" {
			t.Fatalf("a look changed what is wanted (-without +with):\n%s\nthe log:\n%s", diff, text(records))
		}
	})
}
