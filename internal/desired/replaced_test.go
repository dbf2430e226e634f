package desired

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestUnavailableIsNotEmpty(t *testing.T) {
	later := line("ban", "192.0.2.3", 1950)
	for _, tc := range []struct {
		name   string
		change func(b *bench)
		is     error
		bans   string
	}{
		{"missing", func(b *bench) { _ = os.Remove(b.path) }, ErrUnavailable, "192.0.2.1 192.0.2.2"},
		{"emptied", func(b *bench) { _ = os.Truncate(b.path, 0) }, ErrReplaced, "192.0.2.1 192.0.2.2"},
		{"cut", func(b *bench) { _ = os.Truncate(b.path, 40) }, ErrReplaced, "192.0.2.1 192.0.2.2"},
		{"replaced by an empty one", func(b *bench) { b.replace("") }, ErrReplaced, "192.0.2.1 192.0.2.2"},
		{"replaced by an older one", func(b *bench) { b.replace(line("ban", "192.0.2.1", 1900) + line("unban", "192.0.2.2", 1800)) }, ErrReplaced, "192.0.2.1 192.0.2.2"},
		{"replaced by a longer one", func(b *bench) { b.replace(strings.Repeat(later, 20)) }, ErrReplaced, "192.0.2.1 192.0.2.2 192.0.2.3"},
		{"rotated", func(b *bench) { b.replace(later + line("unban", "192.0.2.1", 1951)) }, ErrReplaced, "192.0.2.2 192.0.2.3"},
		{"rewritten in place", func(b *bench) {
			_ = os.Truncate(b.path, 0)
			b.write(strings.Repeat(later, 20))
		}, ErrReplaced, "192.0.2.1 192.0.2.2 192.0.2.3"},
		{"rewritten in place to the same size", func(b *bench) {
			_ = os.WriteFile(b.path, []byte(line("ban", "192.0.2.3", 1900)+line("ban", "192.0.2.4", 1901)), 0o640)
			_ = os.Chtimes(b.path, b.now, b.now) // the kernel's own may be from the same tick
		}, ErrReplaced, "192.0.2.1 192.0.2.2 192.0.2.3 192.0.2.4"},
		{"a directory", func(b *bench) {
			_ = os.Remove(b.path)
			_ = os.Mkdir(b.path, 0o750)
		}, ErrNotRegular, "192.0.2.1 192.0.2.2"},
		{"writable by everyone", func(b *bench) { _ = os.Chmod(b.path, 0o666) }, ErrWorldWritable, "192.0.2.1 192.0.2.2"},
	} {
		begin := func(t *testing.T) *bench {
			b := newBench(t)
			b.write(line("ban", "192.0.2.1", 1900) + line("ban", "192.0.2.2", 1901))
			b.load(true)
			b.refresh()
			return b
		}
		verify := func(t *testing.T, b *bench, err error) {
			t.Helper()
			if !errors.Is(err, tc.is) || !errors.Is(err, ErrUnavailable) || !strings.Contains(fmt.Sprint(err), b.path) {
				t.Errorf("the error is %v", err)
			}
			b.want(tc.bans)
		}
		t.Run(tc.name+" while the daemon runs", func(t *testing.T) {
			b := begin(t)
			tc.change(b)
			_, err := b.file.Refresh(context.Background(), b.now)
			verify(t, b, err)
		})
		t.Run(tc.name+" while it is down", func(t *testing.T) {
			b := begin(t)
			b.save()
			tc.change(b)
			verify(t, b, b.restart())
		})
		t.Run(tc.name+" before a reader comes", func(t *testing.T) {
			b := begin(t)
			b.save()
			tc.change(b)
			f := b.open(false)
			err := f.Load(context.Background(), b.now, false)
			b.file = f
			verify(t, b, err)
		})
	}
}

func TestALogThatCannotBeReadToItsEndIsNotTakenForReplaced(t *testing.T) {
	b := newBench(t)
	b.write(line("ban", "192.0.2.1", 1900))
	b.load(true)
	b.write(line("ban", "192.0.2.2", 1901) + line("unban", "192.0.2.1", 1902))
	b.file.step = func(string) error { return unix.EIO }
	for range 2 {
		if _, err := b.file.Refresh(context.Background(), b.now); !errors.Is(err, unix.EIO) {
			t.Errorf("the error is %v", err)
		}
	}
	b.file.step = nil
	b.save()
	if err := b.restart(); err != nil {
		t.Errorf("after a restart: %v", err)
	}
	b.want("192.0.2.2")
	b.refresh()
	b.want("192.0.2.2")
	if h := b.file.Health(); h.Lines != 3 {
		t.Errorf("the log has 3 lines, and the health tells %d", h.Lines)
	}
}

func TestAReplacedLogIsReadInOrderFromThenOn(t *testing.T) {
	b := newBench(t)
	b.write(line("ban", "192.0.2.1", 1900))
	b.load(true)
	b.replace(line("ban", "192.0.2.2", 1950))
	if _, err := b.file.Refresh(context.Background(), b.now); !errors.Is(err, ErrReplaced) {
		t.Fatalf("the error is %v", err)
	}
	if len(b.file.Warnings()) != 1 {
		t.Errorf("the warnings are %v", b.file.Warnings())
	}
	b.write("{\"op\":\"unban\",\"ip\":\"192.0.2.1\"}\n") // without a time: in order, it counts
	b.refresh()
	b.want("192.0.2.2")
	b.save()
	if len(b.file.Warnings()) != 0 {
		t.Errorf("the warnings are still %v", b.file.Warnings())
	}
	if err := b.restart(); err != nil {
		t.Errorf("after a snapshot the new log is known, but: %v", err)
	}
	b.want("192.0.2.2")
}

func TestLinesThatCameBeforeARotationAreNotLost(t *testing.T) {
	b := newBench(t)
	b.load(true)
	b.write(line("ban", "192.0.2.1", 1900))
	if err := os.Rename(b.path, b.path+".1"); err != nil {
		t.Fatal(err)
	}
	if _, err := b.file.Refresh(context.Background(), b.now); !errors.Is(err, ErrUnavailable) {
		t.Errorf("the error is %v", err)
	}
	b.want("192.0.2.1")
	if _, err := b.file.Append(context.Background(), Record{Op: OpBan, Prefix: Union(b.now, b.file.Fold()).Bans[0].Prefix, Bantime: 5}); err != nil {
		t.Fatal(err)
	}
	if _, err := b.file.Refresh(context.Background(), b.now); !errors.Is(err, ErrReplaced) {
		t.Errorf("the error is %v", err)
	}
}

func TestACopyThatGoesOnWhereTheStateEndsIsNoReplacement(t *testing.T) {
	b := newBench(t)
	b.write(line("ban", "192.0.2.1", 1900))
	b.load(true)
	b.replace(line("ban", "192.0.2.1", 1900) + line("unban", "192.0.2.1", 1900))
	b.refresh()
	b.want("")
}

func TestALineThatWasTornWhenTheLogWasReplacedIsOrderedByTimeAfterARestart(t *testing.T) {
	b := newBench(t)
	b.write(line("ban", "192.0.2.1", 1900))
	b.load(true)
	b.replace(line("ban", "192.0.2.2", 1901) + `{"op":"unban","ip":"192.0.2.1",`)
	if _, err := b.file.Refresh(context.Background(), b.now); !errors.Is(err, ErrReplaced) {
		t.Fatalf("the error is %v", err)
	}
	b.save()
	b.write(`"time":1899}` + "\n")
	if err := b.restart(); err != nil {
		t.Fatal(err)
	}
	b.want("192.0.2.1 192.0.2.2")
}

// The old log had lines that nobody had read when another took its place.
func TestTheLastLinesOfARenamedLogAreReadBeforeTheNextOne(t *testing.T) {
	b := newBench(t)
	b.write(line("ban", "192.0.2.1", 1900))
	b.load(true)
	b.write(line("ban", "192.0.2.2", 1901))
	b.replace(line("ban", "192.0.2.3", 1902))
	_, _ = b.file.Refresh(context.Background(), b.now)
	b.want("192.0.2.1 192.0.2.2 192.0.2.3")
}
