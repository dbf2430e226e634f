package desired

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"testing"
	"time"
)

// spoolUp puts records where Append puts them when the disk is full.
func (b *bench) spoolUp(text string) {
	b.t.Helper()
	if err := appendSpool(context.Background(), b.file.spoolPath(), []byte(text)); err != nil {
		b.t.Fatal(err)
	}
}

func TestTheSpoolIsPartOfTheLog(t *testing.T) {
	b := newBench(t)
	b.load(true)
	b.spoolUp(line("ban", "192.0.2.1", 1900))
	if !b.refresh() {
		t.Error("a spooled record changed nothing")
	}
	b.want("192.0.2.1")
	if h := b.file.Health(); h.Spooled == 0 || len(b.file.Warnings()) != 1 {
		t.Errorf("the health is %+v, the warnings %v", h, b.file.Warnings())
	}
	n, err := b.file.DrainSpool(context.Background())
	if err != nil || n == 0 {
		t.Fatalf("draining gives %d, %v", n, err)
	}
	b.refresh()
	b.want("192.0.2.1")
	if b.file.Health().Spooled != 0 || len(b.file.Warnings()) != 0 || b.file.Health().Lines != 1 {
		t.Errorf("after draining: %+v, %v", b.file.Health(), b.file.Warnings())
	}
	if n, err := b.file.DrainSpool(context.Background()); n != 0 || err != nil {
		t.Errorf("draining nothing gives %d, %v", n, err)
	}
	b.spoolUp(line("ban", "192.0.2.2", 1900))
	b.refresh()
	b.want("192.0.2.1 192.0.2.2")
	if err := b.restart(); err != nil {
		t.Fatal(err)
	}
	b.want("192.0.2.1 192.0.2.2")
}

func TestAppendMovesTheSpoolFirst(t *testing.T) {
	b := newBench(t)
	b.spoolUp(line("ban", "192.0.2.1", 1900) + `{"op":"ban"`)
	b.append(Record{Op: OpUnban, Prefix: netip.MustParsePrefix("192.0.2.1/32"), Time: at(1901)})
	b.load(false)
	b.want("")
	if b.file.Health().Lines != 3 || b.file.Health().Spooled != 0 {
		t.Errorf("the health is %+v", b.file.Health())
	}
}

func TestADrainThatDiedLeavesLinesTwiceAndNothingElse(t *testing.T) {
	b := newBench(t)
	b.write(line("ban", "192.0.2.1", 1900))
	b.spoolUp(line("ban", "192.0.2.1", 1900))
	b.load(false)
	b.want("192.0.2.1")
	if _, err := b.file.DrainSpool(context.Background()); err != nil {
		t.Fatal(err)
	}
	b.refresh()
	b.want("192.0.2.1")
	if len(b.file.Bad()) != 0 {
		t.Errorf("the bad lines are %v", b.file.Bad())
	}
}

func TestAnUnsafeSpoolKeepsNoRecordFromTheLog(t *testing.T) {
	b := newBench(t)
	b.spoolUp(line("ban", "192.0.2.1", 1900))
	if err := os.Chmod(b.file.spoolPath(), 0o666); err != nil {
		t.Fatal(err)
	}
	if spooled := b.append(banOf("192.0.2.2")); spooled != nil {
		t.Errorf("the record was spooled: %v", spooled)
	}
	err := b.file.Load(context.Background(), b.now, false)
	if !errors.Is(err, ErrWorldWritable) {
		t.Errorf("loading gives %v", err)
	}
	b.want("192.0.2.2")
}

func TestTwoLogsDoNotShareASpool(t *testing.T) {
	a, b := NewFile("/var/lib/a/bans.jsonl"), NewFile("/var/lib/b/bans.jsonl")
	if a.spoolPath() == b.spoolPath() {
		t.Errorf("both use %s", a.spoolPath())
	}
}

func TestTwoSpellingsOfALogShareASpool(t *testing.T) {
	top := t.TempDir()
	for _, err := range []error{os.MkdirAll(top+"/data/var/log", 0o750), os.Symlink(top+"/data/var", top+"/var")} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, dir := range []string{"log", "new"} { // the second is made by the first append
		one, other := NewFile(top+"/var/"+dir+"/bans.jsonl"), NewFile(top+"/data/var/"+dir+"/bans.jsonl")
		one.RunDir, other.RunDir = top, top
		if one.spoolPath() != other.spoolPath() {
			t.Errorf("%s has the spool %s, and %s has %s", one.Path, one.spoolPath(), other.Path, other.spoolPath())
		}
		before := one.spoolPath()
		if _, err := one.Append(context.Background(), banOf("192.0.2.1")); err != nil {
			t.Errorf("behind a link further up, appending gives %v", err)
		}
		if one.spoolPath() != before {
			t.Errorf("the spool of %s has another name once the directory is there", one.Path)
		}
	}
	if a, b := NewFile(top+"/var/log/bans.jsonl"), NewFile(top+"/var/log/other.jsonl"); a.spoolPath() == b.spoolPath() {
		t.Error("two logs share a spool")
	}
}

func TestASpoolIsFoundAfterADirectoryAboveTheLogHasMoved(t *testing.T) {
	top := t.TempDir()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(os.MkdirAll(top+"/var/log", 0o750))
	b := &bench{t: t, path: top + "/var/log/bans.jsonl", run: top + "/run", now: at(2000)}
	b.file = b.open(true)
	b.load(true)
	must(os.Rename(top+"/var", top+"/data"))
	must(os.Symlink(top+"/data", top+"/var"))
	b.spoolUp(line("ban", "192.0.2.1", 1900))
	b.now = b.now.Add(10 * time.Second)
	b.refresh()
	b.want("192.0.2.1")
}

// The next spool may get the inode of the one before, and be longer.
func TestTheNextSpoolIsReadFromItsBeginning(t *testing.T) {
	b := newBench(t)
	b.load(true)
	b.spoolUp(line("ban", "192.0.2.1", 1900))
	b.refresh()
	spool := b.file.spoolPath()
	next := line("ban", "192.0.2.2", 1901) + line("ban", "192.0.2.3", 1902)
	if err := os.WriteFile(spool, []byte(next), 0o640); err != nil { // the same inode
		t.Fatal(err)
	}
	b.refresh()
	b.want("192.0.2.1 192.0.2.2 192.0.2.3")
}
