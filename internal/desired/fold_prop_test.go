package desired

import (
	"bytes"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// reload takes a fold through a snapshot, as a restart does.
func reload(t interface {
	Helper()
	Fatalf(string, ...any)
}, f *Fold,
) *Fold {
	t.Helper()
	var out bytes.Buffer
	if err := (&snapshot{fold: f}).write(&out); err != nil {
		t.Fatalf("writing the snapshot: %v", err)
	}
	snap, err := readSnapshot(&out)
	if err != nil {
		t.Fatalf("reading the snapshot: %v", err)
	}
	return snap.fold
}

var genRecord = rapid.Custom(func(t *rapid.T) Record {
	r := Record{
		Op:   rapid.SampledFrom([]Op{OpBan, OpBan, OpBan, OpUnban, OpFlush, OpFlush, OpStop, OpStart, OpPause, OpResume, OpConfirm, OpAllow, OpDisallow}).Draw(t, "op"),
		Host: rapid.SampledFrom([]string{"", "g", "h"}).Draw(t, "host"),
		Jail: rapid.SampledFrom([]string{"", "j", "k"}).Draw(t, "jail"),
		Time: at(rapid.Int64Range(0, 60).Draw(t, "time") * rapid.SampledFrom([]int64{1, 1, 1, 5000}).Draw(t, "unit")),
	}
	if r.Op.takesPrefix() {
		p := rapid.SampledFrom([]string{"192.0.2.1/32", "192.0.2.2/32", "192.0.2.0/24", "2001:db8::1/128"}).Draw(t, "prefix")
		r.Prefix = netip.MustParsePrefix(p)
	}
	if r.Op == OpBan {
		r.Bantime = rapid.SampledFrom([]int64{-1, 0, 5, 20, 40, 1000, 100000}).Draw(t, "bantime")
		if r.Restored = rapid.Bool().Draw(t, "restored"); r.Restored && rapid.Bool().Draw(t, "tells when") {
			r.Written = at(rapid.Int64Range(0, 200).Draw(t, "written"))
		}
	}
	if r.Op == OpAllow {
		r.Bantime = rapid.SampledFrom([]int64{-1, 5, 40, 100000}).Draw(t, "for")
	}
	if r.Op == OpFlush {
		r.Defer = time.Duration(rapid.SampledFrom([]int{0, 5, 20}).Draw(t, "defer")) * time.Second
	}
	if rapid.IntRange(0, 4).Draw(t, "numbered") == 0 {
		r.ID = ID(rapid.SampledFrom([]string{"w-1", "w-2", "text"}).Draw(t, "id"))
	}
	return r
})

// text gives records as the lines of a log.
func text(records []Record) []byte {
	var log []byte
	for _, r := range records {
		log = append(r.AppendJSON(log), '\n')
	}
	return log
}

// view is what must not depend on how a Set was arrived at.
func view(set Set) string {
	lifted := slices.SortedFunc(maps.Keys(set.Lifted), netip.Prefix.Compare)
	return fmt.Sprintf("bans %v\nlifted %v\nwarnings %q\nallowed %v\npaused %v\nconfirmed %v\nnext %v",
		set.Bans, lifted, set.Warnings, set.Allowed, set.Paused, set.Confirmed, set.Next)
}

func TestTheSetDependsOnRecordsAndNowAlone(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		records := rapid.SliceOfN(genRecord, 0, 25).Draw(t, "records")
		plain, restless := NewFold(), NewFold()
		now := at(0)
		for i, rec := range records {
			if err := plain.Apply(rec, rec.Time); err != nil {
				t.Fatalf("%s: %v", rec.AppendJSON(nil), err)
			}
			if err := restless.Apply(rec, rec.Time); err != nil {
				t.Fatalf("%s: %v", rec.AppendJSON(nil), err)
			}
			switch rapid.IntRange(0, 3).Draw(t, fmt.Sprintf("between %d", i)) {
			case 0:
				now = now.Add(time.Duration(rapid.Int64Range(0, 30).Draw(t, "pass")) * time.Second)
				restless.Advance(now)
			case 1:
				restless = reload(t, restless)
			}
		}
		now = now.Add(time.Duration(rapid.Int64Range(0, 400).Draw(t, "then")) * time.Second)
		if diff := cmp.Diff(view(Union(now, plain)), view(Union(now, restless))); diff != "" {
			t.Fatalf("looking at the fold or restarting on the way changed what it wants (-one pass +with looks and restarts):\n%s\nthe log:\n%s", diff, text(records))
		}
		for p := range Union(now, plain).Lifted {
			if _, wanted := find(Union(now, plain).Bans, p); wanted {
				t.Fatalf("%s is wanted and lifted at once", p)
			}
		}
	})
}

func TestEveryPrefixThatWasBannedIsWantedOrLifted(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := NewFold()
		enforced := map[netip.Prefix]bool{}
		now := at(0)
		for range rapid.IntRange(1, 20).Draw(t, "records") {
			rec := genRecord.Draw(t, "record")
			if err := f.Apply(rec, later(now, rec.Time)); err != nil {
				t.Fatalf("%s: %v", rec.AppendJSON(nil), err)
			}
			now = now.Add(time.Duration(rapid.Int64Range(-5, 20).Draw(t, "pass")) * time.Second)
			set := Union(now, f)
			for _, b := range set.Bans {
				enforced[b.Prefix] = true
			}
			for p := range enforced {
				_, wanted := find(set.Bans, p)
				_, lifted := set.Lifted[p]
				if !wanted && !lifted {
					t.Fatalf("%s was banned and is now neither wanted nor lifted with a reason, so its removal would be withheld", p)
				}
				if lifted && rapid.Bool().Draw(t, "confirmed") {
					f.Forget(f.Generation(), p)
					delete(enforced, p)
				}
			}
		}
	})
}

func TestAnOlderCopyOfTheLogChangesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := NewFold()
		records := rapid.SliceOfN(genRecord, 1, 20).Draw(t, "records")
		for i := range records {
			records[i].Time = at(int64(10 * i)) // a log whose clock runs forward
			records[i].ID = ""
			if err := f.Apply(records[i], records[i].Time); err != nil {
				t.Fatalf("%s: %v", records[i].AppendJSON(nil), err)
			}
		}
		now := at(int64(10*len(records)) + rapid.Int64Range(0, 30).Draw(t, "then"))
		before := Union(now, f)
		for _, rec := range records[:rapid.IntRange(0, len(records)).Draw(t, "cut")] {
			if err := f.ApplyRecovered(rec, now); err != nil {
				t.Fatalf("%s: %v", rec.AppendJSON(nil), err)
			}
		}
		if diff := cmp.Diff(fmt.Sprint(before.Bans, before.Paused), fmt.Sprint(Union(now, f).Bans, Union(now, f).Paused)); diff != "" {
			t.Fatalf("an older copy of the log changed what is wanted (-before +after):\n%s\nthe log:\n%s", diff, text(records))
		}
	})
}

func TestTheIncrementalUnionEqualsTheFullOne(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := NewFold(), NewFold()
		for range rapid.IntRange(1, 15).Draw(t, "records") {
			f := rapid.SampledFrom([]*Fold{a, b}).Draw(t, "source")
			if err := f.Apply(genRecord.Draw(t, "record"), at(300_000)); err != nil {
				t.Fatalf("%v", err)
			}
			got := Union(at(30), a, b)
			if diff := cmp.Diff(fmt.Sprint(slowUnion(at(30), a, b)), fmt.Sprint(got.Bans)); diff != "" {
				t.Fatalf("the quick union forgot or invented a ban (-want +got):\n%s", diff)
			}
		}
	})
}

// slowUnion is the definition of the union, without any of its short cuts.
func slowUnion(now time.Time, folds ...*Fold) []Ban {
	byPrefix := map[netip.Prefix]Ban{}
	for _, f := range folds {
		for _, p := range f.pairs {
			for prefix, c := range p.claims {
				if c.overAt(now) {
					continue
				}
				b, ok := byPrefix[prefix]
				_, reason := c.over()
				b.Leaving = reason == Flushed && (!ok || b.Leaving)
				if !ok || EndsBefore(b.Until, c.until) {
					b.Until = c.until
				}
				b.Prefix = prefix
				b.Jails = append(b.Jails, p.jail)
				byPrefix[prefix] = b
			}
		}
	}
	var bans []Ban
	for _, prefix := range slices.SortedFunc(maps.Keys(byPrefix), netip.Prefix.Compare) {
		b := byPrefix[prefix]
		slices.Sort(b.Jails)
		b.Jails = slices.Compact(b.Jails)
		bans = append(bans, b)
	}
	return bans
}

func find(bans []Ban, p netip.Prefix) (int, bool) {
	return slices.BinarySearchFunc(bans, p, func(b Ban, p netip.Prefix) int { return b.Prefix.Compare(p) })
}
