package desired

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"reconciler/internal/observed"
)

// fullSnapshot has something of every kind in it.
func fullSnapshot(tb testing.TB) *snapshot {
	tb.Helper()
	f := NewFold()
	for _, line := range []string{
		`{"op":"ban","ip":"192.0.2.1","jail":"j","host":"h","time":1.5,"bantime":100,"reason":"a\u001b\"é","bancount":2,"id":"w-18446744073709551615"}`,
		`{"op":"ban","ip":"2001:db8::/64","time":2,"bantime":-1}`,
		`{"op":"unban","ip":"192.0.2.9","jail":"j","host":"h","time":3}`,
		`{"op":"unban","ip":"2001:db8::/56","time":3}`,
		`{"op":"flush","jail":"j","host":"h","time":4,"defer":30}`,
		`{"op":"flush","jail":"k","time":4}`,
		`{"op":"ban","ip":"192.0.2.3","time":5,"bantime":1}`,
		`{"op":"pause","time":6}`, `{"op":"confirm","time":7}`,
	} {
		rec, err := ParseRecord([]byte(line))
		if err != nil {
			tb.Fatal(err)
		}
		if err := f.Apply(rec, at(0)); err != nil {
			tb.Fatal(err)
		}
	}
	f.Advance(at(6))
	return &snapshot{
		fold: f,
		bad:  []badLine{{line: 3, text: "x\x00y"}},
		header: header{
			Saved: at(8), Cursor: cursor{Inode: 5, Offset: 100, Line: 9, Hash: "abc", RecoverUntil: 7},
			Intent: &intent{Bytes: 40, Lines: 3, Torn: 2}, BadTotal: 4,
			Memory: Memory{
				Usages:  map[string][]observed.Usage{"acl-1": {{Window: observed.Window{First: 1, Last: 90}, Shape: observed.Shape{Protocol: "-1"}}}},
				Learned: map[string]map[observed.Family]Learned{"acl-1": {observed.IPv6: {Quota: 20, At: at(1)}}},
			},
		},
	}
}

func written(tb testing.TB, s *snapshot) []byte {
	tb.Helper()
	var out bytes.Buffer
	if err := s.write(&out); err != nil {
		tb.Fatalf("writing: %v", err)
	}
	return out.Bytes()
}

func TestASnapshotIsReadAsItWasWritten(t *testing.T) {
	first := written(t, fullSnapshot(t))
	snap, err := readSnapshot(bytes.NewReader(first))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(first), string(written(t, snap))); diff != "" {
		t.Errorf("the snapshot changed by being read (-want +got):\n%s", diff)
	}
	for _, kind := range []string{kindPair, kindPattern, kindClaim, kindTomb, kindLifted, kindNote, kindKnown, kindBad, kindEnd} {
		if !bytes.Contains(first, []byte(`"kind":"`+kind+`"`)) {
			t.Errorf("the test writes no %s", kind)
		}
	}
}

func TestEveryCutOrDamageIsFoundOut(t *testing.T) {
	good := written(t, fullSnapshot(t))
	for i := range good {
		if i < len(good)-1 { // the last newline may be missing: all before it is there
			if _, err := readSnapshot(bytes.NewReader(good[:i])); !errors.Is(err, ErrSnapshotCorrupt) {
				t.Fatalf("cut at byte %d of %d it is read with %v", i, len(good), err)
			}
		}
		damaged := bytes.Clone(good)
		damaged[i] ^= 1
		if _, err := readSnapshot(bytes.NewReader(damaged)); err == nil {
			t.Fatalf("with byte %d damaged (%q) it is read", i, damaged[max(0, i-20):min(len(damaged), i+20)])
		}
	}
	if _, err := readSnapshot(bytes.NewReader(append(bytes.Clone(good), "{}\n"...))); !errors.Is(err, ErrSnapshotCorrupt) {
		t.Errorf("with text behind its end it is read with %v", err)
	}
}

func TestASnapshotOfALaterReleaseIsNoDamage(t *testing.T) {
	b := newBench(t)
	b.load(true)
	if err := os.WriteFile(b.path+".snap", sealed([]byte(`{"snapshot":99,"cursor":{"inode":1,"offset":0,"line":0,"hash":""}}`+"\n")), 0o640); err != nil {
		t.Fatal(err)
	}
	if err := b.restart(); !errors.Is(err, ErrSnapshotVersion) || !errors.Is(err, ErrUnknown) {
		t.Errorf("the error is %v", err)
	}
	if _, err := os.Stat(b.path + ".snap"); err != nil {
		t.Errorf("the snapshot was moved: %v", err)
	}
}

func TestSnapshotsOfAnyHistoryAreReadAsWritten(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := NewFold()
		for _, rec := range rapid.SliceOfN(genRecord, 0, 30).Draw(t, "records") {
			if err := f.Apply(rec, at(0)); err != nil {
				t.Fatalf("%v", err)
			}
			if rapid.Bool().Draw(t, "look") {
				f.Advance(at(rapid.Int64Range(0, 60).Draw(t, "now")))
			}
		}
		var first, second bytes.Buffer
		if err := (&snapshot{fold: f}).write(&first); err != nil {
			t.Fatalf("writing: %v", err)
		}
		snap, err := readSnapshot(bytes.NewReader(first.Bytes()))
		if err != nil {
			t.Fatalf("a snapshot that was just written is refused: %v\n%s", err, first.Bytes())
		}
		if err := snap.write(&second); err != nil {
			t.Fatalf("writing again: %v", err)
		}
		if diff := cmp.Diff(first.String(), second.String()); diff != "" {
			t.Fatalf("a snapshot changed by being read (-want +got):\n%s", diff)
		}
	})
}

// sealed adds the closing line that belongs to a body.
func sealed(body []byte) []byte {
	count := bytes.Count(body, []byte{'\n'})
	return fmt.Appendf(bytes.Clone(body), "{\"kind\":\"end\",\"count\":%d,\"text\":\"%x\"}\n", count, sha256.Sum256(body))
}

func FuzzSnapshot(f *testing.F) {
	good := written(f, fullSnapshot(f))
	f.Add(good)
	f.Add(good[:bytes.LastIndex(good, []byte(`{"kind":"end"`))])
	f.Add([]byte(`{"snapshot":1}` + "\n" + `{"kind":"pair","host":"h","jail":"j"}` + "\n" + `{"kind":"claim","ip":"192.0.2.1","host":"h","jail":"j","at":1}` + "\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, input := range [][]byte{data, sealed(data)} {
			snap, err := readSnapshot(bytes.NewReader(input))
			if err != nil {
				if strings.ContainsAny(err.Error(), "\n\x1b") {
					t.Fatalf("the error %q is not one safe line", err)
				}
				continue
			}
			Union(at(100), snap.fold)
			first := written(t, snap)
			again, err := readSnapshot(bytes.NewReader(first))
			if err != nil {
				t.Fatalf("%q is read, but written again it is refused: %v\n%s", input, err, first)
			}
			if diff := cmp.Diff(string(first), string(written(t, again))); diff != "" {
				t.Fatalf("%q changes each time it is read:\n%s", input, diff)
			}
		}
	})
}
