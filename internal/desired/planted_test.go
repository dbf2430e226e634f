package desired

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"reconciler/internal/testenv"
)

const plantedBan = `{"op":"ban","ip":"192.0.2.66","time":0,"bantime":-1}` + "\n"

// planted gives what a log or spool, or else a snapshot, of one ban holds.
func planted(t *testing.T, kind string) []byte {
	t.Helper()
	if kind != "snapshot" {
		return []byte(plantedBan)
	}
	f, out := NewFold(), bytes.Buffer{}
	mustApply(t, f.Apply, plantedBan)
	if err := (&snapshot{fold: f}).write(&out); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// Whatever somebody puts where a file of ours should be: it is not read, nothing
// waits for it, and it is told.
func TestWhatIsPlantedInPlaceOfAFileIsNotRead(t *testing.T) {
	testenv.NeedRoot(t)
	plants := map[string]func(path string, content []byte) error{
		"symlink": func(p string, content []byte) error {
			target := filepath.Join(filepath.Dir(p), "elsewhere")
			return errors.Join(os.WriteFile(target, content, 0o600), os.Symlink(target, p))
		},
		"FIFO": func(p string, _ []byte) error { return unix.Mkfifo(p, 0o600) },
		"another's": func(p string, content []byte) error {
			return errors.Join(os.WriteFile(p, content, 0o600), os.Chown(p, 4242, 4242))
		},
	}
	for _, kind := range []string{"log", "snapshot", "spool"} {
		for name, plant := range plants {
			t.Run(kind+" "+name, func(t *testing.T) {
				f := NewFile(filepath.Join(t.TempDir(), "bans.jsonl"))
				f.RunDir = t.TempDir()
				path := map[string]string{"log": f.Path, "snapshot": f.Path + ".snap", "spool": f.spoolPath()}[kind]
				if kind != "log" {
					if err := os.WriteFile(f.Path, nil, 0o600); err != nil {
						t.Fatal(err)
					}
				}
				if err := plant(path, planted(t, kind)); err != nil {
					t.Fatal(err)
				}
				_, err := f.Lock() // as the daemon does
				if err == nil {
					err = f.Load(t.Context(), at(10), false)
				}
				told := fmt.Sprint(err, f.Warnings(), f.Bad())
				if !strings.Contains(told, path) {
					t.Errorf("nothing names %s: %s", path, told)
				}
				if bans := Union(at(10), f.Fold()).Bans; len(bans) > 0 {
					t.Errorf("it was read: %v", bans)
				}
				if err := f.Close(); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

// A line of ten times the bound is passed over as it comes, not held.
func TestALongLineTakesNoMoreThanItsBoundOfMemory(t *testing.T) {
	f := NewFile(filepath.Join(t.TempDir(), "bans.jsonl"))
	f.RunDir = t.TempDir()
	text := append(bytes.Repeat([]byte("x"), 10*maxLine), "\n"+plantedBan...)
	if err := os.WriteFile(f.Path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	err := f.Load(t.Context(), at(10), false)
	runtime.ReadMemStats(&after)
	if err != nil {
		t.Fatal(err)
	}
	// All that was ever allocated, freed or not: a buffer grows by doubling.
	if got := after.TotalAlloc - before.TotalAlloc; got > 5*maxLine {
		t.Errorf("reading a line of %d bytes took %d bytes of memory", 10*maxLine, got)
	}
	if bans := Union(at(10), f.Fold()).Bans; len(bans) != 1 || f.Health().Skipped != 1 {
		t.Errorf("after it %d bans and %d skipped lines, want one of each", len(bans), f.Health().Skipped)
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
}
