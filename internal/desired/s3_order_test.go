package desired

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

func TestAnObjectThatWasReplacedByAnOlderOneWithNewsRevivesNothing(t *testing.T) {
	store := newFakeStore()
	b := newStation(t, store, sharedLog, "b").open()
	old := banLine("192.0.2.1", "a", 1000) + "\n" + banLine("192.0.2.2", "a", 1000) + "\n"
	store.put("bans.jsonl", old+`{"op":"unban","ip":"192.0.2.1","jail":"j","host":"a","time":1005}`+"\n")
	b.mustTurn()
	b.wants("at first", "192.0.2.2")
	store.put("bans.jsonl", old+banLine("192.0.2.3", "a", 1010)+"\n")
	_ = b.turn()
	b.wants("with an older copy that somebody appended to", "192.0.2.2 192.0.2.3")
	if words := strings.Join(b.set().Warnings, "\n"); !strings.Contains(words, "not the log that was read before") {
		t.Errorf("it is not told: %q", words)
	}
}

func TestAnUnbanThatIsOlderThanABanInTheSpoolDoesNotLiftIt(t *testing.T) {
	store := newFakeStore()
	a := newStation(t, store, sharedLog, "a").open()
	a.record(banLine("192.0.2.1", "a", 1010)) // not delivered yet
	a.wants("from the spool", "192.0.2.1")
	store.put("bans.jsonl", `{"op":"unban","ip":"192.0.2.1","time":1005,"id":"b.spool.1-7"}`+"\n")
	if err := a.r.Look(t.Context()); err != nil {
		t.Fatal(err)
	}
	a.wants("after an older unban came in", "192.0.2.1")
	a.mustTurn()
	a.wants("after the delivery", "192.0.2.1")
}

func TestARecordThatComesDuringADeliveryIsKept(t *testing.T) {
	store := newFakeStore()
	a := newStation(t, store, hostLogs, "a").open()
	a.record(banLine("192.0.2.1", "a", 1000))
	came := 0
	store.setWeather(func(call, _ string) (error, error) {
		if call == "put" && came < 3 {
			came++
			a.record(banLine(fmt.Sprintf("192.0.2.%d", 1+came), "a", 1000))
		}
		return nil, nil
	})
	for range 4 { // a delivery takes what waits when it begins
		a.mustTurn()
	}
	a.wants("in the end", "192.0.2.1 192.0.2.2 192.0.2.3 192.0.2.4")
	if got := len(idsIn(t, store.body("bans/a.jsonl"))); got != 4 {
		t.Errorf("%d records are delivered, want 4:\n%s", got, store.body("bans/a.jsonl"))
	}
}

func TestALaterSnapshotIsNotOverwrittenByAnEarlierOne(t *testing.T) {
	dir := t.TempDir()
	l, w := logOf(sharedLog), newCacheWriter()
	early, err := w.image(l, dir, Memory{}, true, at(1))
	if err != nil {
		t.Fatal(err)
	}
	late, err := w.image(l, dir, Memory{}, true, at(2))
	if err != nil {
		t.Fatal(err)
	}
	for _, image := range []*cacheImage{late, early} {
		if err := w.write(image); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(l.cachePath(dir))
	if err != nil || string(got) != string(late.data) {
		t.Errorf("on disk is %q (%v), not the later snapshot", got, err)
	}
}

// fail2ban stamps a ban with the time of the failure, which may lie before an
// unban that was read already.
func TestABanThatIsStampedBeforeAnUnbanCountsThoughACompactionComesFirst(t *testing.T) {
	for name, small := range map[string]int64{"appended": 1 << 30, "compacted": 1} {
		t.Run(name, func(t *testing.T) {
			bothForms(t, func(t *testing.T, address string) {
				store := newFakeStore()
				a, b := newStation(t, store, address, "a"), newStation(t, store, address, "b").open()
				a.small = small
				a.open()
				for _, line := range []string{
					banLine("192.0.2.1", "a", 1000), `{"op":"unban","ip":"192.0.2.1","jail":"j","host":"a","time":1010}`,
				} {
					a.record(line)
					a.mustTurn()
					b.mustTurn()
				}
				a.record(banLine("192.0.2.1", "a", 1009))
				for range 30 { // so that a compaction is worth it
					a.record(banLine("192.0.2.2", "a", 1011))
				}
				a.mustTurn()
				b.mustTurn()
				a.wants("the writer", "192.0.2.1 192.0.2.2")
				b.wants("the reader", "192.0.2.1 192.0.2.2")
				c := newStation(t, store, address, "c").open()
				c.mustTurn()
				c.wants("a reader that comes later", "192.0.2.1 192.0.2.2")
			})
		})
	}
}
