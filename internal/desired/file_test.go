package desired

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// bench is a log in a directory of its own, and its writer.
type bench struct {
	t    *testing.T
	path string
	run  string
	file *File
	now  time.Time
}

func newBench(t *testing.T) *bench {
	t.Helper()
	dir := t.TempDir()
	b := &bench{t: t, path: filepath.Join(dir, "bans.jsonl"), run: filepath.Join(dir, "run"), now: at(2000)}
	b.file = b.open(true)
	return b
}

// open gives another File of the same log, as a restart does.
func (b *bench) open(lock bool) *File {
	b.t.Helper()
	f := NewFile(b.path)
	f.RunDir = b.run
	f.Now = func() time.Time { return b.now }
	if lock {
		if b.file != nil {
			if err := b.file.Close(); err != nil {
				b.t.Fatal(err)
			}
		}
		if _, err := f.Lock(); err != nil {
			b.t.Fatal(err)
		}
	}
	b.t.Cleanup(func() { _ = f.Close() })
	return f
}

func (b *bench) restart() error {
	b.t.Helper()
	b.file = b.open(true)
	return b.file.Load(context.Background(), b.now, false)
}

func (b *bench) load(create bool) {
	b.t.Helper()
	if err := b.file.Load(context.Background(), b.now, create); err != nil {
		b.t.Fatalf("loading: %v", err)
	}
}

func (b *bench) refresh() bool {
	b.t.Helper()
	changed, err := b.file.Refresh(context.Background(), b.now)
	if err != nil {
		b.t.Fatalf("refreshing: %v", err)
	}
	return changed
}

func (b *bench) save() {
	b.t.Helper()
	if err := b.file.SaveSnapshot(Memory{}, b.now); err != nil {
		b.t.Fatalf("saving: %v", err)
	}
}

// write appends text as a shell does.
func (b *bench) write(text string) {
	b.t.Helper()
	log, err := os.OpenFile(b.path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o640)
	if err == nil {
		_, err = log.WriteString(text)
	}
	if err := errors.Join(err, log.Close()); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) replace(text string) {
	b.t.Helper()
	if err := os.WriteFile(b.path+".new", []byte(text), 0o640); err != nil {
		b.t.Fatal(err)
	}
	if err := os.Rename(b.path+".new", b.path); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) want(bans string) {
	b.t.Helper()
	if got := bansOf(b.file, b.now); got != bans {
		b.t.Errorf("banned are %q, want %q", got, bans)
	}
}

func bansOf(f *File, now time.Time) string {
	var all []string
	for _, ban := range Union(now, f.Fold()).Bans {
		all = append(all, strings.TrimSuffix(ban.Prefix.String(), "/32"))
	}
	return strings.Join(all, " ")
}

func line(op, ip string, time int) string {
	return fmt.Sprintf("{\"op\":%q,\"ip\":%q,\"time\":%d,\"bantime\":86400}\n", op, ip, time)
}

func TestALogIsReadAsItGrows(t *testing.T) {
	b := newBench(t)
	b.load(true)
	b.want("")
	b.write(line("ban", "192.0.2.1", 1900))
	if !b.refresh() {
		t.Error("an append changed nothing")
	}
	b.want("192.0.2.1")
	if b.refresh() {
		t.Error("the state changed without an append")
	}
	b.write(line("ban", "192.0.2.2", 1900) + `{"op":"ban","ip":"192.0.2.3"`)
	b.refresh()
	b.want("192.0.2.1 192.0.2.2")
	b.write(",\"time\":1900,\"bantime\":86400}\n")
	b.refresh()
	b.want("192.0.2.1 192.0.2.2 192.0.2.3")
	if h := b.file.Health(); h.Lines != 3 || h.Lag != 0 || h.Size == 0 || !h.LastRecord.Equal(at(1900)) || h.Err != nil {
		t.Errorf("the health is %+v", h)
	}
}

func TestALastLineWithoutNewlineIsReportedAfterFiveSeconds(t *testing.T) {
	b := newBench(t)
	b.load(true)
	b.write(line("ban", "192.0.2.1", 1900) + `{"op":"ban"`)
	b.refresh()
	b.now = b.now.Add(4 * time.Second)
	b.refresh()
	if bad := b.file.Bad(); len(bad) != 0 {
		t.Errorf("a write in progress is reported: %v", bad)
	}
	b.now = b.now.Add(time.Second)
	b.refresh()
	if bad := b.file.Bad(); len(bad) != 1 || bad[0].Line != 2 || bad[0].Source != b.path {
		t.Errorf("the torn line is reported as %v", bad)
	}
	b.write("}\n")
	b.refresh()
	if bad := b.file.Bad(); len(bad) != 1 || !strings.Contains(bad[0].Error(), `needs the field "ip"`) {
		t.Errorf("after its newline the line is reported as %v", bad)
	}
}

func TestBadLinesAreReportedAndPassedOver(t *testing.T) {
	good := strings.TrimSpace(line("ban", "192.0.2.1", 1900))
	other := strings.TrimSpace(line("ban", "192.0.2.2", 1900))
	for _, tc := range []struct {
		name, log, bans string
		bad             []int
	}{
		{"garbage", "garbage\n" + good + "\n", "192.0.2.1", []int{1}},
		{"a torn line with the next behind it", good[:30] + good + "\n" + other + "\n", "192.0.2.1 192.0.2.2", []int{1}},
		{"two records in a line", good + other + "\n", "192.0.2.1 192.0.2.2", []int{1}},
		{"a torn line before a record that holds another object", good[:20] + `{"op":"ban","ip":"192.0.2.3","time":1900,"x":{"op":1}}` + "\n", "192.0.2.3", []int{1}},
		{"blank lines", "\n   \n\x00\x00\x00\n" + good + "\r\n", "192.0.2.1", nil},
		{"NULs before a record", "\x00\x00" + good + "\n", "192.0.2.1", nil},
		{"invalid UTF-8", "\xff" + good + "\n" + other + "\n", "192.0.2.1 192.0.2.2", []int{1}},
		{"a huge line", strings.Repeat("x", 3<<20) + "\n" + good + "\n", "192.0.2.1", []int{1}},
		{"a line just too long", strings.Repeat("x", maxLine+1) + "\n" + good + "\n", "192.0.2.1", []int{1}},
		{"a huge run of NULs", strings.Repeat("\x00", 3<<20) + good + "\n" + "x\n", "192.0.2.1", []int{2}},
		{"a long line that is good", `{"op":"ban","ip":"192.0.2.1","time":1900,"x":"` + strings.Repeat("y", 600<<10) + "\"}\n" + other + "\n", "192.0.2.1 192.0.2.2", nil},
		{"a line full of markers", strings.Repeat(`{"op"`, 100_000) + "\n" + good + "\n", "192.0.2.1", []int{1}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			b := newBench(t)
			b.write(tc.log)
			b.load(false)
			b.want(tc.bans)
			var lines []int
			for _, bad := range b.file.Bad() {
				lines = append(lines, bad.Line)
			}
			if fmt.Sprint(lines) != fmt.Sprint(tc.bad) {
				t.Errorf("bad lines are %v, want %v", b.file.Bad(), tc.bad)
			}
		})
	}
}

func TestOnlyTheLatestBadLinesAreKept(t *testing.T) {
	b := newBench(t)
	b.write(strings.Repeat("x\n", 250))
	b.load(false)
	bad := b.file.Bad()
	if len(bad) != maxBad || bad[0].Line != 151 || bad[maxBad-1].Line != 250 || b.file.Health().Skipped != 250 {
		t.Errorf("%d bad lines are kept, from %v, of %d", len(bad), bad[0], b.file.Health().Skipped)
	}
}

func TestAFirstRun(t *testing.T) {
	b := newBench(t)
	b.load(false)
	if _, err := os.Stat(b.path); !errors.Is(err, os.ErrNotExist) || len(b.file.Warnings()) != 1 {
		t.Errorf("a reader made the log (%v), or does not warn: %v", err, b.file.Warnings())
	}
	b.load(true)
	info, err := os.Stat(b.path)
	if err != nil || info.Mode() != fileMode || len(b.file.Warnings()) != 0 {
		t.Errorf("the new log is %v, %v; warnings %v", info, err, b.file.Warnings())
	}
}
