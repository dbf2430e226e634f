package desired

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"reconciler/internal/observed"
)

func TestASnapshotKeepsTheState(t *testing.T) {
	b := newBench(t)
	b.write("x\n" + line("ban", "192.0.2.1", 1900) + `{"op":"ban"`)
	b.load(true)
	b.save()
	b.write(`,"ip":"192.0.2.2","time":1900}` + "\n" + "y\n")
	if err := b.restart(); err != nil {
		t.Fatal(err)
	}
	b.want("192.0.2.1 192.0.2.2")
	bad := b.file.Bad()
	if len(bad) != 2 || bad[0].Line != 1 || bad[1].Line != 4 || b.file.Health().Skipped != 2 {
		t.Errorf("the bad lines are %v", bad)
	}
	for _, path := range []string{b.path + ".snap", b.path + ".snap.lock"} {
		if info, err := os.Stat(path); err != nil || info.Mode() != fileMode {
			t.Errorf("%s is %v, %v", path, info, err)
		}
	}
}

func TestADamagedSnapshotIsAWarning(t *testing.T) {
	b := newBench(t)
	b.write(line("ban", "192.0.2.1", 1900))
	b.load(true)
	b.save()
	snap := b.path + ".snap"
	if err := os.Truncate(snap, 100); err != nil {
		t.Fatal(err)
	}
	reader := b.open(false)
	if err := reader.Load(context.Background(), b.now, false); err != nil || bansOf(reader, b.now) != "192.0.2.1" || len(reader.Warnings()) == 0 {
		t.Errorf("a reader gets %q, %v, warned %v", bansOf(reader, b.now), err, reader.Warnings())
	}
	if _, err := os.Stat(snap); err != nil {
		t.Errorf("a reader moved the snapshot: %v", err)
	}
	if err := b.restart(); err != nil {
		t.Fatal(err)
	}
	b.want("192.0.2.1")
	if _, err := os.Stat(snap + ".corrupt"); err != nil || len(b.file.Warnings()) != 2 {
		t.Errorf("the damaged snapshot is not set aside: %v, warned %v", err, b.file.Warnings())
	}
}

func TestASnapshotThatCannotBeReadIsNotEmpty(t *testing.T) {
	b := newBench(t)
	b.load(true)
	if err := os.Mkdir(b.path+".snap", 0o750); err != nil {
		t.Fatal(err)
	}
	if err := b.file.Load(context.Background(), b.now, false); !errors.Is(err, ErrUnknown) || !errors.Is(err, ErrNotRegular) {
		t.Errorf("the error is %v", err)
	}
	if err := b.file.SaveSnapshot(Memory{}, b.now); !errors.Is(err, ErrUnknown) {
		t.Errorf("saving over it gives %v", err)
	}
	if _, err := b.file.Compact(Memory{}, b.now); err == nil {
		t.Error("the log was compacted without a state")
	}
	if err := os.Remove(b.path + ".snap"); err != nil {
		t.Fatal(err)
	}
	b.refresh()
	b.save()
}

func TestOnlyOneProcessIsTheWriter(t *testing.T) {
	b := newBench(t)
	other := b.open(false)
	if _, err := other.Lock(); !errors.Is(err, ErrLocked) {
		t.Errorf("a second lock gives %v", err)
	}
	if err := other.SaveSnapshot(Memory{}, b.now); !errors.Is(err, ErrNotLocked) {
		t.Errorf("saving without the lock gives %v", err)
	}
	if _, err := other.Compact(Memory{}, b.now); !errors.Is(err, ErrNotLocked) {
		t.Errorf("compacting without the lock gives %v", err)
	}
	if err := b.file.Close(); err != nil {
		t.Fatal(err)
	}
	release, err := other.Lock()
	if err != nil {
		t.Fatalf("the lock is not free after Close: %v", err)
	}
	release()
	if _, err := b.file.Lock(); err != nil {
		t.Errorf("the lock is not free after its release: %v", err)
	}
}

func TestWhatAKilledWriterLeftIsSweptAway(t *testing.T) {
	b := newBench(t)
	stale, other := filepath.Join(filepath.Dir(b.path), ".bans.jsonl.snap123456"), filepath.Join(filepath.Dir(b.path), ".bans.jsonl.snap.mine")
	for _, path := range []string{stale, other} {
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	b.file = b.open(true)
	if _, err := os.Stat(stale); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the stale file is still there: %v", err)
	}
	if _, err := os.Stat(other); err != nil {
		t.Errorf("a file that is not ours was removed: %v", err)
	}
}

func TestTheControllersMemoryIsKept(t *testing.T) {
	b := newBench(t)
	b.load(true)
	usage := observed.Usage{Window: observed.Window{First: 1, Last: 90}, Shape: observed.Shape{Protocol: "6", Ports: observed.Ports{From: 22, To: 22}}}
	mem := Memory{
		Usages:  map[string][]observed.Usage{"acl-1": {usage}},
		Learned: map[string]map[observed.Family]Learned{"acl-1": {observed.IPv4: {Quota: 40, At: at(5)}}},
	}
	if err := b.file.SaveSnapshot(mem, b.now); err != nil {
		t.Fatal(err)
	}
	if err := b.restart(); err != nil {
		t.Fatal(err)
	}
	got := b.file.Memory()
	if len(got.Usages["acl-1"]) != 1 || got.Usages["acl-1"][0] != usage || got.Learned["acl-1"][observed.IPv4] != mem.Learned["acl-1"][observed.IPv4] {
		t.Errorf("the memory is %+v", got)
	}
}
