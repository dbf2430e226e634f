package desired

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// The magic numbers of file systems (linux/magic.h).
const (
	tmpfsMagic = 0x01021994
	ext4Magic  = 0xef53
	xfsMagic   = 0x58465342
)

// fileSystems gives a directory on each kind of file system that compaction
// treats in a way of its own.
func fileSystems(t *testing.T) map[string]string {
	t.Helper()
	shm, err := os.MkdirTemp("/dev/shm", "desired")
	if err != nil {
		t.Fatalf("no tmpfs to test on: %v", err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(shm) })
	var st unix.Statfs_t
	if err := unix.Statfs(shm, &st); err != nil || st.Type != tmpfsMagic {
		t.Fatalf("/dev/shm is no tmpfs (%#x, %v), so the punching of holes would go untested", st.Type, err)
	}
	disk := t.TempDir()
	if !collapses(t, disk) && os.Getenv("CI") == "true" {
		t.Fatalf("%s is on neither ext4 nor XFS, so the cutting of files would go untested", disk)
	}
	return map[string]string{"on the disk": disk, "on tmpfs": shm}
}

// collapses says that the file system knows FALLOC_FL_COLLAPSE_RANGE.
func collapses(t *testing.T, dir string) bool {
	t.Helper()
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		t.Fatal(err)
	}
	return st.Type == ext4Magic || st.Type == xfsMagic
}

func (b *bench) fill(from, n int) {
	b.t.Helper()
	var text strings.Builder
	for i := from; i < from+n; i++ {
		text.WriteString(line("ban", fmt.Sprintf("10.0.%d.%d", i>>8, i&255), 1900))
	}
	b.write(text.String())
}

func (b *bench) wantCount(n int) {
	b.t.Helper()
	if got := len(Union(b.now, b.file.Fold()).Bans); got != n {
		b.t.Errorf("%d bans are known, want %d", got, n)
	}
}

func blocksOf(t *testing.T, path string) int64 {
	t.Helper()
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		t.Fatal(err)
	}
	return st.Blocks
}

func TestCompactionFreesRoomAndKeepsInodeStateAndLineNumbers(t *testing.T) {
	for name, dir := range fileSystems(t) {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			b.path = filepath.Join(dir, "bans.jsonl")
			b.file = b.open(true)
			b.load(true)
			b.fill(0, 5000)
			b.write("bad\n")
			b.refresh()
			inode, blocks := b.file.inode, blocksOf(t, b.path)
			cut, err := b.file.Compact(Memory{}, b.now)
			if err != nil || cut < 100_000 {
				t.Fatalf("compacting gives %d, %v", cut, err)
			}
			if after := blocksOf(t, b.path); after >= blocks/4 {
				t.Errorf("the log takes %d blocks of before %d", after, blocks)
			}
			text, err := os.ReadFile(b.path)
			if err != nil {
				t.Fatal(err)
			}
			if collapses(t, dir) != (len(text) < 20_000) {
				t.Errorf("the log is %d bytes long, and collapsing is %v", len(text), collapses(t, dir))
			}
			checkHead(t, b.path)
			where := strings.Count(strings.SplitAfter(string(text), "bad\n")[0], "\n")
			if bad := b.file.Bad(); len(bad) != 1 || bad[0].Line != where {
				t.Errorf("the bad line is %v and now at %d", bad, where)
			}
			b.fill(5000, 10)
			b.write("worse\n")
			b.refresh()
			b.wantCount(5010)
			if bad := b.file.Bad(); len(bad) != 2 || bad[1].Line != where+11 {
				t.Errorf("the bad lines are %v, the second is at %d", bad, where+11)
			}
			if err := b.restart(); err != nil {
				t.Fatal(err)
			}
			b.wantCount(5010)
			if b.file.inode != inode {
				t.Error("the inode changed")
			}
			if cut, err := b.file.Compact(Memory{}, b.now); cut != 0 || err != nil {
				t.Errorf("compacting what is compact gives %d, %v", cut, err)
			}
			checkWithoutSnapshot(t, b)
		})
	}
}

// checkWithoutSnapshot reads what is left of a log alone: no line of it may be
// torn, and the reader must warn.
func checkWithoutSnapshot(t *testing.T, b *bench) {
	t.Helper()
	if err := os.Remove(b.path + ".snap"); err != nil {
		t.Fatal(err)
	}
	if err := b.restart(); err != nil {
		t.Fatal(err)
	}
	for _, bad := range b.file.Bad() {
		if !strings.Contains(bad.Err.Error(), "not JSON") || bad.Line == 1 {
			t.Errorf("compaction left a torn line: %v", bad)
		}
	}
	if warned := strings.Join(b.file.Warnings(), "\n"); !strings.Contains(warned, "was compacted") {
		t.Errorf("the warnings are %q", warned)
	}
}

// checkHead fails when the log begins with a part of a line.
func checkHead(t *testing.T, path string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	first, _, _ := bytes.Cut(text, []byte{'\n'})
	if head := trimBlank(first); len(head) > 0 {
		if _, err := ParseRecord(head); err != nil {
			t.Errorf("the log begins with the torn line %q", head)
		}
	}
}

func TestACompactionThatDiesAtAnyStepLosesNothing(t *testing.T) {
	died := errors.New("died here")
	for name, dir := range fileSystems(t) {
		for i, step := range []string{stepSaved, stepCut, stepBlanked} {
			t.Run(name+" after: "+step, func(t *testing.T) {
				b := newBench(t)
				b.path = filepath.Join(dir, fmt.Sprintf("bans%d.jsonl", i))
				b.file = b.open(true)
				b.load(true)
				b.fill(0, 1000)
				b.refresh()
				if _, err := b.file.Compact(Memory{}, b.now); err != nil { // so that a second one meets a first one's head
					t.Fatal(err)
				}
				b.fill(1000, 1000)
				b.refresh()
				b.file.step = func(at string) error {
					if at == step {
						return died
					}
					return nil
				}
				if _, err := b.file.Compact(Memory{}, b.now); !errors.Is(err, died) {
					t.Fatalf("compacting gives %v", err)
				}
				b.fill(2000, 50)
				b.write("bad\n")
				reader := b.open(false)
				if err := reader.Load(context.Background(), b.now, false); err != nil || len(Union(b.now, reader.Fold()).Bans) != 2050 {
					t.Errorf("a reader finds %d bans, %v", len(Union(b.now, reader.Fold()).Bans), err)
				}
				lines := b.file.Health().Lines + 51
				if err := b.restart(); err != nil {
					t.Fatal(err)
				}
				b.wantCount(2050)
				checkHead(t, b.path)
				if bad := b.file.Bad(); len(bad) != 1 || bad[0].Line != lines {
					t.Errorf("the bad line is %v, want line %d", bad, lines)
				}
				for round := range 3 { // and so on
					b.fill(2050+round*500, 500)
					b.refresh()
					if _, err := b.file.Compact(Memory{}, b.now); err != nil {
						t.Fatal(err)
					}
				}
				b.wantCount(3550)
				if err := b.restart(); err != nil {
					t.Fatal(err)
				}
				b.wantCount(3550)
			})
		}
	}
}

func TestReadersBesideACompactingWriterSeeEveryLine(t *testing.T) {
	for name, dir := range fileSystems(t) {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			b.path = filepath.Join(dir, "bans.jsonl")
			b.file = b.open(true)
			b.load(true)
			b.fill(0, 500)
			b.refresh()
			reader := b.open(false)
			stop, done := make(chan struct{}), make(chan error, 1)
			counts := make(chan int, 1)
			counts <- 500
			go func() { done <- watch(reader, b.now, counts, stop) }()
			for i := 500; i < 20_000; i += 500 {
				b.fill(i, 500)
				<-counts
				counts <- i + 500
				b.refresh()
				if _, err := b.file.Compact(Memory{}, b.now); err != nil {
					t.Fatal(err)
				}
			}
			close(stop)
			if err := <-done; err != nil {
				t.Error(err)
			}
		})
	}
}

// watch loads the log again and again; each time it must know at least as many
// bans as were appended before it began.
func watch(f *File, now time.Time, counts chan int, stop chan struct{}) error {
	for {
		select {
		case <-stop:
			return nil
		default:
		}
		least := <-counts
		counts <- least
		if err := f.Load(context.Background(), now, false); err != nil {
			if errors.Is(err, ErrBusy) {
				continue
			}
			return err
		}
		if got := len(Union(now, f.Fold()).Bans); got < least {
			return fmt.Errorf("a reader saw %d bans after %d had been appended", got, least)
		}
	}
}

func TestALongTornLineIsNotCutThrough(t *testing.T) {
	b := newBench(t)
	b.load(true)
	b.write(`{"op":"ban","ip":"192.0.2.1","time":1900,"x":"` + strings.Repeat("y", 60_000) + "\"}\n")
	b.refresh()
	if cut, err := b.file.Compact(Memory{}, b.now); cut != 0 || err != nil {
		t.Errorf("compacting inside one long line gives %d, %v", cut, err)
	}
	b.fill(0, 1000)
	b.refresh()
	if cut, err := b.file.Compact(Memory{}, b.now); cut == 0 || err != nil {
		t.Errorf("compacting behind it gives %d, %v", cut, err)
	}
	if err := b.restart(); err != nil {
		t.Fatal(err)
	}
	b.wantCount(1001)
	if _, wanted := find(Union(b.now, b.file.Fold()).Bans, netip.MustParsePrefix("192.0.2.1/32")); !wanted {
		t.Error("the ban of the long line is lost")
	}
}
