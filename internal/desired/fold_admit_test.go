package desired

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"
)

const year9999 = 253402300000

func applyAt(t *testing.T, f *Fold, line string, readAt int64) {
	t.Helper()
	rec, err := ParseRecord([]byte(line))
	if err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	if err := f.Apply(rec, at(readAt)); err != nil {
		t.Fatalf("%s: %v", line, err)
	}
}

func TestARecordOfTheYear9999CountsAsReadNowAndIsToldOf(t *testing.T) {
	f := NewFold()
	applyAt(t, f, `{"op":"ban","ip":"192.0.2.1","time":253402300000,"bantime":60}`, 1000)
	applyAt(t, f, `{"op":"pause","time":253402300000}`, 1000)
	applyAt(t, f, `{"op":"resume","time":1001}`, 1001)
	set := Union(at(1001), f)
	if len(set.Bans) != 1 || !set.Bans[0].Until.Equal(at(1060)) || set.Paused {
		t.Errorf("the bans are %+v, paused %t; want one until its bantime after the reading, and no pause", set.Bans, set.Paused)
	}
	applyAt(t, f, `{"op":"ban","ip":"192.0.2.2","time":900,"bantime":3600,"restored":true}`, 1002)
	if set := Union(at(1060), f); len(set.Bans) != 1 || set.Bans[0].Prefix != mustPrefix("192.0.2.2/32") {
		t.Errorf("after it a restored ban counts as before, and the short one is over; banned are %+v", set.Bans)
	}
}

func TestAnOddTimeOrEndIsToldOfOnce(t *testing.T) {
	b := newBench(t)
	b.write(`{"op":"ban","ip":"192.0.2.1","time":253402300799,"bantime":60}` + "\n" +
		`{"op":"ban","ip":"192.0.2.2","time":253402300000,"bantime":60}` + "\n" +
		fmt.Sprintf(`{"op":"ban","ip":"192.0.2.3","time":%d,"bantime":253402300000}`, b.now.Unix()) + "\n")
	b.load(true)
	told := strings.Join(b.file.Warnings(), "\n")
	if strings.Count(told, "far ahead") != 1 || strings.Count(told, "permanent") != 1 || !strings.Contains(told, b.path+":3: bantime") {
		t.Errorf("told is %q", told)
	}
	if bans := Union(b.now, b.file.Fold()).Bans; len(bans) != 3 || !bans[0].Until.Equal(b.now.Add(time.Minute)) || !bans[2].Permanent() {
		t.Errorf("banned are %+v", bans)
	}
}

func TestAClockInAnotherTimeZoneIsBelieved(t *testing.T) {
	f := NewFold()
	applyAt(t, f, `{"op":"ban","ip":"192.0.2.1","time":51400,"bantime":60}`, 1000) // 14 hours
	if set := Union(at(51459), f); len(set.Bans) != 1 || len(set.Warnings) != 0 {
		t.Errorf("banned are %+v, with the warnings %q", set.Bans, set.Warnings)
	}
}

// A host whose clock is not set yet after a boot knows by its state that it is late.
func TestAReaderWhoseClockIsBehindShortensNoBan(t *testing.T) {
	f := NewFold()
	applyAt(t, f, `{"op":"ban","ip":"192.0.2.1","time":1800000000,"bantime":3600}`, 1800000000)
	f = reload(t, f)
	applyAt(t, f, `{"op":"ban","ip":"192.0.2.2","time":1800000100,"bantime":3600}`, 1000)
	if set := Union(at(1800003650), f); len(set.Bans) != 1 || !set.Bans[0].Until.Equal(at(1800003700)) {
		t.Errorf("once the clock is set, banned are %+v", set.Bans)
	}
}

// An earlier release believed such records, and its snapshot holds them.
func TestASnapshotThatHoldsTheYear9999IsMended(t *testing.T) {
	f := NewFold()
	for _, line := range []string{
		`{"op":"ban","ip":"192.0.2.1","jail":"j","host":"h","time":253402300000,"bantime":60}`,
		`{"op":"ban","ip":"192.0.2.2","jail":"j","host":"h","time":253402300000,"bantime":-1}`,
		`{"op":"ban","ip":"192.0.2.3","jail":"j","host":"h","time":1000,"bantime":86400000}`,
		`{"op":"flush","jail":"k","host":"h","time":253402300000}`,
		`{"op":"unban","ip":"192.0.2.9","jail":"l","host":"h","time":253402300000}`,
		`{"op":"flush","jail":"j","host":"h","time":253402300000,"defer":30}`,
		`{"op":"pause","time":253402300000}`,
	} {
		applyAt(t, f, line, year9999)
	}
	f = reload(t, f)
	f.mend(at(2000))
	if set := Union(at(2001), f); len(set.Bans) != 3 || !set.Bans[0].Until.Equal(at(2060)) || !set.Paused {
		t.Fatalf("banned are %+v, paused %t", set.Bans, set.Paused)
	}
	applyAt(t, f, `{"op":"resume","time":2005}`, 2005)
	applyAt(t, f, `{"op":"ban","ip":"192.0.2.8","jail":"k","host":"h","time":2010,"bantime":600,"restored":true}`, 2011)
	applyAt(t, f, `{"op":"ban","ip":"192.0.2.9","jail":"l","host":"h","time":2010,"bantime":600,"restored":true}`, 2011)
	if set := Union(at(2200), f); len(set.Bans) != 4 || set.Paused {
		t.Errorf("restored bans and a resume count again; banned are %+v, paused %t", set.Bans, set.Paused)
	}
	if set := Union(at(1000+86400000-1), f); len(set.Bans) != 2 {
		t.Errorf("a long ban of the right time, and one without an end, stay: %+v", set.Bans)
	}
}

func TestAStateOfTheRightTimeIsNotMended(t *testing.T) {
	f := foldOf(t, banP, banQ, flushD, stopAt(100), startAt(102), `{"op":"unban","ip":"192.0.2.9","time":50}`)
	var before, after bytes.Buffer
	if err := (&snapshot{fold: f}).write(&before); err != nil {
		t.Fatal(err)
	}
	f.mend(at(103))
	f.mend(time.Time{})
	if err := (&snapshot{fold: f}).write(&after); err != nil {
		t.Fatal(err)
	}
	if before.String() != after.String() {
		t.Errorf("it was\n%s and is\n%s", before.String(), after.String())
	}
}
