package desired

import (
	"bytes"
	"fmt"
	"testing"
)

func allowLine(prefix string, t, seconds int) string {
	return fmt.Sprintf(`{"op":"allow","ip":%q,"time":%d,"for":%d}`, prefix, t, seconds)
}

func allowedOf(set Set) (text string) {
	for _, a := range set.Allowed {
		text += short(a) + " "
	}
	return text
}

func short(a Allowed) string {
	if a.Until.IsZero() {
		return a.Prefix.String()
	}
	return fmt.Sprintf("%s until %d", a.Prefix, a.Until.Unix())
}

func TestAnAllowHoldsUntilItsEndOrUntilItIsTakenBack(t *testing.T) {
	const one, two = "192.0.2.1/32 ", "192.0.2.0/24 "
	for _, c := range []struct {
		name  string
		lines []string
		now   int64
		want  string
	}{
		{"for ever", []string{`{"op":"allow","ip":"192.0.2.1","time":100}`}, 1 << 30, one},
		{"before its end", []string{allowLine("192.0.2.1", 100, 10)}, 109, "192.0.2.1/32 until 110 "},
		{"at its end", []string{allowLine("192.0.2.1", 100, 10)}, 110, ""},
		{"the last line wins", []string{allowLine("192.0.2.1", 100, -1), allowLine("192.0.2.1", 101, 10)}, 110, "192.0.2.1/32 until 111 "},
		{"taken back", []string{allowLine("192.0.2.1", 100, -1), `{"op":"disallow","ip":"192.0.2.1","time":101}`}, 102, ""},
		{"another one is taken back", []string{allowLine("192.0.2.1", 100, -1), `{"op":"disallow","ip":"192.0.2.2","time":101}`}, 102, one},
		{"a wider one is taken back", []string{allowLine("192.0.2.1", 100, -1), allowLine("192.0.2.0/24", 100, -1), `{"op":"disallow","ip":"192.0.2.0/24","time":101}`}, 102, one},
		{"taken back and allowed again", []string{`{"op":"disallow","ip":"192.0.2.0/24","time":101}`, allowLine("192.0.2.0/24", 102, -1)}, 103, two},
		{"an unban is none", []string{allowLine("192.0.2.1", 100, -1), `{"op":"unban","ip":"192.0.2.1","time":101}`}, 102, one},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := NewFold()
			for _, line := range c.lines {
				mustApply(t, f.Apply, line)
			}
			for _, f := range []*Fold{f, reload(t, f)} {
				if got := allowedOf(Union(at(c.now), f)); got != c.want {
					t.Errorf("allowed are %q, want %q", got, c.want)
				}
			}
		})
	}
}

func TestTheSetChangesWhenAnAllowEnds(t *testing.T) {
	f := NewFold()
	mustApply(t, f.Apply, allowLine("192.0.2.1", 100, 10))
	if next := Union(at(105), f).Next; !next.Equal(at(110)) {
		t.Errorf("the set changes next at %v", next)
	}
}

func TestAnOlderAllowThatIsPutBackDoesNotCount(t *testing.T) {
	f := NewFold()
	mustApply(t, f.Apply, allowLine("192.0.2.1", 100, -1))
	mustApply(t, f.Apply, `{"op":"disallow","ip":"192.0.2.1","time":101}`)
	f = reload(t, f)
	mustApply(t, f.ApplyRecovered, allowLine("192.0.2.1", 100, -1))
	if got := allowedOf(Union(at(102), f)); got != "" {
		t.Errorf("allowed are %q", got)
	}
	mustApply(t, f.ApplyRecovered, allowLine("192.0.2.1", 102, -1))
	if got := allowedOf(Union(at(103), f)); got == "" {
		t.Error("a later allow does not count")
	}
}

func TestAnAllowThatIsNotUnderstoodAllowsNothing(t *testing.T) {
	for _, line := range []string{
		`{"op":"allow"}`, `{"op":"allow","ip":"0.0.0.0/0"}`, `{"op":"allow","ip":"x"}`,
		`{"op":"allow","ip":"192.0.2.1","for":"soon"}`, `{"op":"allow","ip":"192.0.2.1","for":0}`,
		`{"op":"allow","ip":"192.0.2.1","for":null}`, `{"op":"allow","ip":"192.0.2.1","for":1e300}`,
		`{"op":"disallow"}`,
	} {
		if rec, err := ParseRecord([]byte(line)); err == nil {
			t.Errorf("%s is taken as %+v", line, rec)
		}
	}
}

// The snapshot of this release is read by the one before: what that does not know
// must be in a place where it passes over what it does not know.
func TestAnAllowAddsNoKindOfLineToTheSnapshot(t *testing.T) {
	f := NewFold()
	before := snapshotLines(t, f)
	mustApply(t, f.Apply, allowLine("192.0.2.1", 100, -1))
	if after := snapshotLines(t, f); after != before {
		t.Errorf("the snapshot has %d lines, and %d with an allow", before, after)
	}
}

func snapshotLines(t *testing.T, f *Fold) int {
	t.Helper()
	var out bytes.Buffer
	if err := (&snapshot{fold: f}).write(&out); err != nil {
		t.Fatal(err)
	}
	return bytes.Count(out.Bytes(), []byte{'\n'})
}

func TestAnAllowInASharedLogIsForTheHostThatSaysIt(t *testing.T) {
	bothForms(t, func(t *testing.T, address string) {
		store := newFakeStore()
		a, b := newStation(t, store, address, "a").open(), newStation(t, store, address, "b").open()
		a.record(`{"op":"allow","ip":"192.0.2.1","host":"a","time":1001}`)
		b.record(`{"op":"ban","ip":"192.0.2.1","jail":"j","host":"b","time":1000}`) // time goes on there too
		a.mustTurn()
		b.mustTurn()
		a.mustTurn()
		if got := allowedOf(a.set()); got != "192.0.2.1/32 " {
			t.Errorf("on the host that says it, allowed are %q", got)
		}
		if got := allowedOf(b.set()); got != "" {
			t.Errorf("on another host, allowed are %q", got)
		}
	})
}
