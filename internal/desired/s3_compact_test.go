package desired

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// sharedHistory draws the lines of a log that several hosts wrote, whose clock
// runs forward, and whose records all have ids. A ban may be stamped with the
// time of the failure, which lies before the lines above it, or have waited for
// its delivery; and a record may be delivered twice.
func sharedHistory(t *rapid.T) []Record {
	recs := rapid.SliceOfN(genRecord, 1, 25).Draw(t, "records")
	second := int64(0)
	for i := range recs {
		second += rapid.SampledFrom([]int64{1, 5, 20, 50000}).Draw(t, "pass")
		recs[i].Time = at(second)
		recs[i].Restored = false
		if recs[i].Op == OpBan {
			recs[i].Time = at(max(0, second-rapid.SampledFrom([]int64{0, 0, 1, 10}).Draw(t, "late")))
		}
		recs[i].ID = ID(fmt.Sprintf("g.%d", i))
		if recs[i].Op == OpBan && rapid.IntRange(0, 5).Draw(t, "out of a spool that waited") == 0 {
			recs[i].Time = at(max(0, second-rapid.SampledFrom([]int64{200, 60000}).Draw(t, "waited")))
			recs[i].Prefix = mustPrefix(fmt.Sprintf("192.0.2.%d/32", 100+i)) // no other ban of it is over and forgotten by then
		}
		recs[i].Time = recs[i].Time.Add(time.Duration(i) * time.Millisecond) // of equal times the longer ban counts
		if i > 0 && rapid.IntRange(0, 5).Draw(t, "twice") == 0 {
			recs[i] = recs[rapid.IntRange(0, i-1).Draw(t, "delivered before")]
		}
	}
	return recs
}

// logOf makes a log of an object that a reader on host g has.
func logOf(address string) *objectLog {
	a := mustAddress(address)
	return newObjectLog(a, a.ObjectOf("g"), "g")
}

func wantsNow(l *objectLog, now time.Time) string {
	set := Union(now, l.intake.fold)
	return fmt.Sprint(set.Bans, set.Paused)
}

func TestACompactedLogSaysTheSameToEveryReader(t *testing.T) {
	for _, address := range []string{sharedLog, hostLogs} {
		rapid.Check(t, func(t *rapid.T) {
			recs := sharedHistory(t)
			now := recs[0].Time
			for _, rec := range recs {
				now = later(now, rec.Time)
			}
			now = now.Add(time.Duration(rapid.Int64Range(0, 60).Draw(t, "then")) * time.Second)
			whole := Object{Body: text(recs), Tag: "whole"}
			compactor := logOf(address)
			compactor.take(whole, now)
			Collect(now, compactor)
			small := Object{Body: compactor.condense(whole.Body, now), Tag: "small"}
			want := wantsNow(compactor, now)

			again := recs[rapid.IntRange(0, len(recs)-1).Draw(t, "again from"):]
			again = again[:rapid.IntRange(1, len(again)).Draw(t, "again")]
			early := recs[:rapid.IntRange(0, len(recs)).Draw(t, "read before")]
			late := logOf(address)
			late.take(Object{Body: text(early), Tag: "early"}, now)
			for name, l := range map[string]*objectLog{"that read all before": compactor, "that read a part before": late, "that is new": logOf(address)} {
				l.take(small, now)
				if l.err != nil || l.incident != "" {
					t.Fatalf("a compaction is taken for damage by a reader %s: %v %s", name, l.err, l.incident)
				}
				if diff := cmp.Diff(want, wantsNow(l, now)); diff != "" {
					t.Fatalf("a compaction changed what is wanted by a reader %s (-want +got):\n%s\nbefore:\n%s\nafter:\n%s", name, diff, whole.Body, small.Body)
				}
				// An append that is tried again finds its records or, where they are gone, changes nothing.
				more, err := missingIn(small.Body, again)
				if err != nil {
					t.Fatal(err)
				}
				if more != nil {
					l.take(Object{Body: more, Tag: "more"}, now)
				}
				if diff := cmp.Diff(want, wantsNow(l, now)); diff != "" {
					t.Fatalf("records that are written again change what is wanted by a reader %s (-want +got):\n%s\nbefore:\n%s\nafter the compaction:\n%s\nand then:\n%s", name, diff, whole.Body, small.Body, more)
				}
			}
		})
	}
}

// A daemon compacts before it has asked what is wanted for the first time.
func TestACompactionRightAfterAStartDropsWhatIsOver(t *testing.T) {
	l, now := logOf(hostLogs), at(400000)
	var recs []Record
	for i := range 50 {
		rec, err := ParseRecord([]byte(banLine(fmt.Sprintf("192.0.2.%d", i), "g", 1000+i)))
		if err != nil {
			t.Fatal(err)
		}
		rec.ID = ID(fmt.Sprintf("g-%d", i))
		recs = append(recs, rec)
	}
	recs[49].Time = at(399999)
	body := text(recs)
	l.take(Object{Body: body, Tag: "1"}, now)
	if small := l.condense(body, now); strings.Count(string(small), `"op":"ban"`) != 1 {
		t.Errorf("of 50 bans one is in force, and a compaction keeps\n%s", small)
	}
}

func TestCompactionMakesABusyLogSmall(t *testing.T) {
	store := newFakeStore()
	a := newStation(t, store, hostLogs, "a")
	a.small = 4 << 10
	a.open()
	var lines []string
	for i := range 200 {
		lines = append(lines, banLine("192.0.2.1", "a", 1000+60*i))
	}
	a.now = at(1000 + 60*200)
	a.record(lines...)
	a.mustTurn()
	body := store.body("bans/a.jsonl")
	if len(body) > 1<<10 {
		t.Errorf("200 bans of one address take %d bytes after a compaction", len(body))
	}
	a.wants("after it", "192.0.2.1")
	puts := store.count("put")
	a.mustTurn()
	a.mustTurn()
	if store.count("put") != puts {
		t.Error("a log that is small is compacted again")
	}
	b := newStation(t, store, hostLogs, "b").open()
	b.mustTurn()
	b.wants("on another host", "192.0.2.1")
	if generationOf([]byte(body)) != 1 {
		t.Errorf("the generation is %d, not 1", generationOf([]byte(body)))
	}
}

func TestTwoCompactionsOfTheSameLinesDiffer(t *testing.T) {
	l := logOf(sharedLog)
	body := []byte(banLine("192.0.2.1", "a", 1000) + "\n")
	l.take(Object{Body: body, Tag: "1"}, at(1000))
	one, two := l.condense(body, at(1001)), l.condense(body, at(1001))
	if string(one) == string(two) {
		t.Error("two compactions give the same bytes, and so the same ETag")
	}
}

func TestTheLoserOfACompactionGoesOn(t *testing.T) {
	store := newFakeStore()
	a := newStation(t, store, sharedLog, "a")
	a.small = 1
	a.open()
	a.now = at(2000)
	a.record(banLine("192.0.2.1", "a", 1000), banLine("192.0.2.1", "a", 1001), banLine("192.0.2.1", "a", 2000))
	if err := a.r.Deliver(t.Context()); err != nil {
		t.Fatal(err)
	}
	store.setWeather(func(call, _ string) (error, error) {
		if call == "put" {
			return ErrLostRace, nil
		}
		return nil, nil
	})
	if err := a.r.Condense(t.Context()); err != nil {
		t.Errorf("the loser reports %v", err)
	}
	store.setWeather(nil)
	a.mustTurn()
	if got := strings.Count(store.body("bans.jsonl"), `"ban"`); got != 1 {
		t.Errorf("%d bans are there after the next try, want 1", got)
	}
}

func TestAnOldLiftIsDroppedOnceNobodyNeedsIt(t *testing.T) {
	l := logOf(hostLogs)
	const day = 86400
	body := []byte(strings.Join([]string{
		`{"op":"ban","ip":"192.0.2.1","jail":"j","host":"g","time":0,"bantime":60,"id":"g.1-1"}`,
		`{"op":"unban","ip":"192.0.2.1","jail":"j","host":"g","time":10,"id":"g.2-1"}`,
		`{"op":"unban","ip":"192.0.2.7","time":11,"id":"g.spool.3-1"}`,
		fmt.Sprintf(`{"op":"unban","ip":"192.0.2.2","jail":"j","host":"g","time":%d,"id":"g.4-1"}`, 3*day),
	}, "\n") + "\n")
	l.take(Object{Body: body, Tag: "1"}, at(3*day))
	Collect(at(3*day), l)
	first := l.condense(body, at(3*day))
	if strings.Contains(string(first), "192.0.2.1") || !strings.Contains(string(first), "192.0.2.7") || !strings.Contains(string(first), "192.0.2.2") {
		t.Errorf("kept is:\n%s", first)
	}
}

// A ban that a restart of fail2ban did not announce again stays over for a host
// that reads the compacted object for the first time, however long ago it was.
func TestACompactionKeepsWhatPutABanOnTrial(t *testing.T) {
	for name, last := range map[string]int64{"soon": 400, "long after": 40 * 86400} {
		t.Run(name, func(t *testing.T) {
			var recs []Record
			for i, line := range []string{
				`{"op":"ban","ip":"192.0.2.1","jail":"j","host":"g","time":2,"bantime":-1}`,
				`{"op":"ban","ip":"192.0.2.2","jail":"j","host":"g","time":3,"bantime":-1}`,
				`{"op":"flush","jail":"j","host":"g","time":6,"defer":30}`,
				`{"op":"stop","jail":"j","host":"g","time":8}`,
				`{"op":"start","jail":"j","host":"g","time":9}`,
				`{"op":"ban","ip":"192.0.2.2","jail":"j","host":"g","time":3,"bantime":-1,"restored":true,"written":10}`,
				fmt.Sprintf(`{"op":"start","jail":"k","host":"g","time":%d}`, last),
				fmt.Sprintf(`{"op":"ban","ip":"192.0.2.3","jail":"k","host":"g","time":%d,"bantime":-1}`, last),
			} {
				rec, err := ParseRecord([]byte(line))
				if err != nil {
					t.Fatal(err)
				}
				rec.ID = ID(fmt.Sprintf("g.%d", i))
				recs = append(recs, rec)
			}
			now := at(last + 10)
			old := logOf(hostLogs)
			old.take(Object{Body: text(recs), Tag: "whole"}, now)
			want := wantsNow(old, now)
			if set := Union(now, old.intake.fold); len(set.Bans) != 2 {
				t.Fatalf("banned are %v", set.Bans)
			}
			small := old.condense(text(recs), now)
			anew := logOf(hostLogs)
			anew.take(Object{Body: small, Tag: "small"}, now)
			if got := wantsNow(anew, now); got != want {
				t.Errorf("a new reader wants %s, not %s, of\n%s", got, want, small)
			}
		})
	}
}
