//go:build e2e

package files

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"reconciler/internal/desired"
	"reconciler/internal/testenv"
	"reconciler/test/program"
)

// manyPrefixes gives n addresses of 198.18.0.0/15.
func manyPrefixes(n int) []string {
	out := make([]string, n)
	for i := range out {
		var a [4]byte
		binary.BigEndian.PutUint32(a[:], 0xC6120000+uint32(i)+101)
		out[i] = netip.PrefixFrom(netip.AddrFrom4(a), 32).String()
	}
	return out
}

// A daemon's work on its log, from the lock to the cut, of which any operation
// fails, loses no line: not one of before, not one that a process with the log
// open writes afterwards. What it tells of is the cause. The next daemon
// finds all and compacts.
func TestACompactionOverAFailingDiskLosesNothing(t *testing.T) {
	t.Parallel()
	testenv.Need(t)
	for what, f := range map[string]fault{
		"an error once":           {Errno: unix.EIO, Count: 1},
		"a disk that is gone":     {Errno: unix.EIO},
		"half a write":            {Errno: unix.ENOSPC, Short: true, Count: 1},
		"a sync that loses bytes": {Errno: unix.EIO, Drop: true, Count: 1},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			d := newDisk(t)
			want := manyPrefixes(300)
			failed := 0
			for n := 0; !t.Failed(); n++ {
				dir := fmt.Sprintf("n%d", n)
				if err := os.Mkdir(filepath.Join(d.Back, dir), 0o755); err != nil {
					t.Fatal(err)
				}
				path := filepath.Join(d.Dir, dir, "bans.jsonl")
				put(t, filepath.Join(d.Back, dir, "bans.jsonl"), program.Lines(want...))
				writer, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
				if err != nil {
					t.Fatal(err)
				}
				f.From = n
				d.arm(f)
				err = compact(path)
				calls := d.trail()
				hits := d.heal()
				at := fmt.Sprintf("with %v from operation %d on (of %v)", f, n, calls)
				if err != nil {
					failed++
					if !errors.Is(err, f.Errno) && !f.Short {
						t.Errorf("%s the compaction fails with %v, which hides the cause", at, err)
					}
				}
				_, writeErr := writer.WriteString(program.Lines("203.0.113.7/32"))
				if err := errors.Join(writeErr, writer.Close()); err != nil {
					t.Fatal(err)
				}
				program.WantAll(t, at, program.BansOf(t, path, filepath.Dir(path), at), append(want, "203.0.113.7/32")...)
				if err := compact(path); err != nil {
					t.Errorf("%s a second compaction fails: %v", at, err)
				}
				program.WantAll(t, at, program.BansOf(t, path, filepath.Dir(path), at), append(want, "203.0.113.7/32")...)
				if hits == 0 {
					t.Logf("%d operations; %d compactions failed", n, failed)
					if failed == 0 && !f.Short { // the rest of half a write is written by the next
						t.Error("no fault made a compaction fail, so none can have reached it")
					}
					return
				}
			}
		})
	}
}

// compact is the daemon's start and its compaction.
func compact(path string) error {
	f := desired.NewFile(path)
	f.RunDir = filepath.Dir(path)
	defer func() { _ = f.Close() }()
	// A program that another test starts has all open files for a moment, until it
	// is executed: the lock of the last time may be among them.
	_, err := f.Lock()
	for end := time.Now().Add(10 * time.Second); errors.Is(err, desired.ErrLocked) && time.Now().Before(end); _, err = f.Lock() {
		time.Sleep(10 * time.Millisecond)
	}
	if err != nil {
		return err
	}
	if err := f.Load(context.Background(), time.Now(), false); err != nil {
		return err
	}
	_, err = f.Compact(f.Memory(), time.Now())
	return err
}
