package desired

import (
	"errors"
	"net/netip"
	"slices"
	"testing"
)

func TestRecoveredRecordsWithoutATimeAreRefusedUnlessTheyBan(t *testing.T) {
	for _, op := range []Op{OpUnban, OpFlush, OpStop, OpStart, OpPause, OpResume, OpConfirm} {
		f := NewFold()
		mustApply(t, f.Apply, banP)
		rec := Record{Op: op}
		if op == OpUnban {
			rec.Prefix = netip.MustParsePrefix("192.0.2.1/32")
		}
		if err := f.ApplyRecovered(rec, at(50)); !errors.Is(err, ErrNoTime) {
			t.Errorf("a %s without a time gives %v", op, err)
		}
		if len(Union(at(60), f).Bans) != 1 {
			t.Errorf("a %s without a time lifted a ban", op)
		}
	}
	f := NewFold()
	mustApply(t, f.ApplyRecovered, `{"op":"ban","ip":"192.0.2.1"}`)
	if len(Union(at(60), f).Bans) != 1 {
		t.Error("a ban without a time was not taken")
	}
}

func TestABanWithoutATimeCountsFromItsReading(t *testing.T) {
	f := NewFold()
	if err := f.Apply(Record{Op: OpBan, Prefix: netip.MustParsePrefix("192.0.2.1/32"), Bantime: 60}, at(1000)); err != nil {
		t.Fatal(err)
	}
	if set := Union(at(1059), f); len(set.Bans) != 1 || !set.Next.Equal(at(1060)) {
		t.Errorf("the ban is %+v and ends at %v", set.Bans, set.Next)
	}
	if set := Union(at(1060), f); len(set.Bans) != 0 {
		t.Errorf("the ban goes on: %+v", set.Bans)
	}
	if err := f.Apply(Record{Op: OpBan, Prefix: netip.MustParsePrefix("192.0.2.1/32"), Bantime: maxUnix}, at(1000)); err != nil || len(Union(at(maxUnix), f).Bans) != 1 {
		t.Errorf("a ban that ends past the year 9999 is not permanent: %v", err)
	}
}

func TestUnionJoinsSources(t *testing.T) {
	a, b := NewFold(), NewFold()
	mustApply(t, a.Apply, `{"op":"ban","ip":"192.0.2.1","jail":"z","time":0,"bantime":100}`)
	mustApply(t, a.Apply, `{"op":"ban","ip":"192.0.2.1","jail":"c","time":0,"bantime":300}`)
	mustApply(t, b.Apply, `{"op":"ban","ip":"192.0.2.1","jail":"c","time":0,"bantime":200}`)
	mustApply(t, b.Apply, `{"op":"ban","ip":"2001:db8::1","jail":"c","time":0,"bantime":-1}`)
	mustApply(t, b.Apply, `{"op":"confirm","time":7}`)
	mustApply(t, a.Apply, `{"op":"unban","ip":"2001:db8::1","time":1}`)
	set := Union(at(50), a, b)
	if len(set.Bans) != 2 || !slices.Equal(set.Bans[0].Jails, []string{"c", "z"}) || !set.Bans[0].Until.Equal(at(300)) || !set.Bans[1].Permanent() {
		t.Errorf("the bans are %+v", set.Bans)
	}
	if !set.Next.Equal(at(100)) || !set.Confirmed.Equal(at(7)) {
		t.Errorf("the next change is at %v, confirmed at %v", set.Next, set.Confirmed)
	}
	mustApply(t, a.Apply, `{"op":"unban","ip":"192.0.2.1","time":60}`)
	if set = Union(at(60), a, b); len(set.Lifted) != 0 || len(set.Bans) != 2 {
		t.Errorf("one source lifts what the other wants: %+v", set)
	}
	if set = Union(at(200), a, b); set.Lifted[netip.MustParsePrefix("192.0.2.1/32")] != Expired {
		t.Errorf("lifted is %v, want the reason of the claim that ended last", set.Lifted)
	}
}

func TestABanIsLeavingWhileAFlushOfAllItsClaimsIsUnderWay(t *testing.T) {
	f := NewFold()
	is := func(want bool, after string, now int64) {
		t.Helper()
		set := Union(at(now), f)
		if len(set.Bans) != 1 || set.Bans[0].Leaving != want {
			t.Errorf("after %s the bans are %+v, want one with leaving=%t", after, set.Bans, want)
		}
	}
	mustApply(t, f.Apply, `{"op":"ban","ip":"192.0.2.1","jail":"a","host":"h","time":0,"bantime":900}`)
	mustApply(t, f.Apply, `{"op":"ban","ip":"192.0.2.1","jail":"b","host":"h","time":0,"bantime":20}`)
	is(false, "two bans", 1)
	mustApply(t, f.Apply, `{"op":"flush","jail":"a","host":"h","time":2,"defer":30}`)
	is(false, "a flush of one of two jails", 3)
	is(true, "the end of the other jail's ban", 21)
	mustApply(t, f.Apply, `{"op":"stop","jail":"a","host":"h","time":22}`)
	is(false, "a stop that calls the flush off", 23)
	mustApply(t, f.Apply, `{"op":"flush","jail":"a","host":"h","time":880,"defer":30}`)
	is(false, "a flush that comes later than the ban's own end", 881)
}

func TestForgetDropsOnlyWhatWasLiftedByThen(t *testing.T) {
	p := netip.MustParsePrefix("192.0.2.1/32")
	f := NewFold()
	mustApply(t, f.Apply, banP)
	mustApply(t, f.Apply, `{"op":"unban","ip":"192.0.2.1","time":1}`)
	Union(at(1), f)
	seen := f.Generation()
	mustApply(t, f.Apply, banP)
	mustApply(t, f.Apply, `{"op":"unban","ip":"192.0.2.1","time":2}`)
	f.Forget(seen, p)
	if Union(at(3), f).Lifted[p] != Unbanned {
		t.Error("a late confirmation forgot a prefix that was banned and lifted again")
	}
	f.Forget(f.Generation(), p)
	if len(Union(at(3), f).Lifted) != 0 {
		t.Error("a confirmed removal is not forgotten")
	}
}

func TestTheGenerationChangesOnlyWithTheState(t *testing.T) {
	f := NewFold()
	mustApply(t, f.Apply, banP)
	Union(at(1), f)
	before := f.Generation()
	if Union(at(500), f); f.Generation() != before {
		t.Error("a look changed the generation")
	}
	if Union(at(1000), f); f.Generation() == before {
		t.Error("an expiry did not change the generation")
	}
}

func TestTombstonesAreBounded(t *testing.T) {
	f := NewFold()
	addr := netip.MustParseAddr("10.0.0.0")
	for i := range maxTombs + 10 {
		rec := Record{Op: OpUnban, Prefix: netip.PrefixFrom(addr, 32), Host: "h", Jail: "j", Time: at(int64(i / 100))}
		if err := f.Apply(rec, at(0)); err != nil {
			t.Fatal(err)
		}
		addr = addr.Next()
	}
	if f.tombs > maxTombs {
		t.Errorf("%d tombstones are kept", f.tombs)
	}
	rec := Record{Op: OpBan, Restored: true, Prefix: netip.PrefixFrom(addr.Prev(), 32), Host: "h", Jail: "j", Time: at(0), Bantime: -1}
	if err := f.Apply(rec, at(0)); err != nil || len(Union(at(0), f).Bans) != 0 {
		t.Errorf("the newest tombstone was dropped (%v)", err)
	}
}

func TestANewerPauseOrResumeWinsWhicheverLogItIsIn(t *testing.T) {
	for name, c := range map[string]struct {
		a, b string
		want bool
	}{
		"a resume ends the pause of another log":   {`{"op":"resume","time":10}`, `{"op":"pause","time":5}`, false},
		"a pause ends the resume of another log":   {`{"op":"resume","time":5}`, `{"op":"pause","time":10}`, true},
		"at the same time bans in force are safer": {`{"op":"resume","time":5}`, `{"op":"pause","time":5}`, false},
		"a pause alone": {banP, `{"op":"pause","time":5}`, true},
	} {
		for _, folds := range [][]*Fold{{foldOf(t, c.a), foldOf(t, c.b)}, {foldOf(t, c.b), foldOf(t, c.a)}} {
			if got := Union(at(20), folds...).Paused; got != c.want {
				t.Errorf("%s: paused is %t", name, got)
			}
		}
	}
}
