package desired

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
)

// lineByLine makes every line a portion.
func lineByLine() (enough func() bool) { return func() bool { return true } }

// inPortions gives what restarts the writer so that it reads line by line.
func (b *bench) inPortions() error {
	b.t.Helper()
	b.file = b.open(true)
	b.file.Portion = lineByLine
	return b.file.Load(context.Background(), b.now, true)
}

// readOn reads to the end, and counts the portions that it takes.
func (b *bench) readOn() (portions int) {
	b.t.Helper()
	for portions = 1; b.file.Behind(); portions++ {
		b.refresh()
	}
	return portions
}

func TestALongLogIsReadInPortionsAndSaysSoUntilItsEnd(t *testing.T) {
	b := newBench(t)
	b.write(line("ban", "192.0.2.1", 1900) + line("ban", "192.0.2.2", 1901) + line("unban", "192.0.2.1", 1902) + `{"op":"ban"`)
	if err := b.inPortions(); err != nil {
		t.Fatal(err)
	}
	b.want("192.0.2.1")
	if !b.file.Behind() || b.file.Gap() == nil || b.file.Health().Lag < 50 {
		t.Errorf("nobody is told that two lines are not read: behind %t, gap %v, lag %d", b.file.Behind(), b.file.Gap(), b.file.Health().Lag)
	}
	if n := b.readOn(); n != 4 {
		t.Errorf("three lines and the rest take %d portions", n)
	}
	b.want("192.0.2.2")
	if b.file.Behind() || b.file.Gap() != nil {
		t.Errorf("all is read, and it says %v", b.file.Gap())
	}
	b.write(`,"ip":"192.0.2.3","time":1903}` + "\n" + line("ban", "192.0.2.4", 1904))
	b.refresh()
	b.want("192.0.2.2 192.0.2.3")
	b.readOn()
	b.want("192.0.2.2 192.0.2.3 192.0.2.4")
}

// Whatever the log has become meanwhile, each start goes on from the place that
// was saved last, and comes to what a reading at once comes to.
func TestEachDeathInALongReadingLeavesLessToRead(t *testing.T) {
	var all strings.Builder
	for i := range 12 {
		all.WriteString(line("ban", fmt.Sprintf("192.0.2.%d", i+1), 1900+i))
	}
	all.WriteString(line("unban", "192.0.2.1", 1950) + line("unban", "192.0.2.7", 1951))
	const bans = "192.0.2.2 192.0.2.3 192.0.2.4 192.0.2.5 192.0.2.6 192.0.2.8 192.0.2.9 192.0.2.10 192.0.2.11 192.0.2.12"
	for name, begin := range map[string]func(b *bench){
		"a first reading": func(b *bench) { b.write(all.String()) },
		"a log that has grown": func(b *bench) {
			b.write(line("ban", "192.0.2.1", 1800))
			b.load(true)
			b.save()
			b.write(all.String())
		},
		"a log that was replaced": func(b *bench) {
			b.write(line("ban", "192.0.2.1", 1800) + line("ban", "192.0.2.7", 1800))
			b.load(true)
			b.save()
			b.replace(all.String())
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			begin(b)
			last := int64(-1)
			for starts := 0; ; starts++ {
				if err := b.inPortions(); err != nil && !errors.Is(err, ErrReplaced) {
					t.Fatal(err)
				}
				if !b.file.Behind() {
					break
				}
				if place := b.file.tail.offset; place <= last {
					t.Fatalf("start %d has come to %d, the one before to %d", starts, place, last)
				}
				last = b.file.tail.offset
				if err := b.file.Keep(Memory{}, b.now); err != nil {
					t.Fatal(err)
				}
			}
			b.want(bans)
		})
	}
}

func TestTheRestOfARenamedLogIsReadToItsEndInPortions(t *testing.T) {
	b := newBench(t)
	if err := b.inPortions(); err != nil {
		t.Fatal(err)
	}
	b.write(line("ban", "192.0.2.1", 1900) + line("ban", "192.0.2.2", 1901) + line("ban", "192.0.2.3", 1902))
	b.refresh()
	b.replace(line("ban", "192.0.2.4", 1903) + line("ban", "192.0.2.5", 1904))
	for more := true; more; more = b.file.Behind() {
		if _, err := b.file.Refresh(context.Background(), b.now); err != nil && !errors.Is(err, ErrReplaced) {
			t.Fatal(err)
		}
	}
	b.want("192.0.2.1 192.0.2.2 192.0.2.3 192.0.2.4 192.0.2.5")
}

func TestTheSpoolComesAfterAllOfTheLog(t *testing.T) {
	b := newBench(t)
	b.write(line("ban", "192.0.2.1", 1900) + line("ban", "192.0.2.2", 1901) + line("ban", "192.0.2.3", 1902))
	spool := line("unban", "192.0.2.3", 1903) + line("ban", "192.0.2.4", 1904)
	if err := appendSpool(context.Background(), b.file.spoolPath(), []byte(spool)); err != nil {
		t.Fatal(err)
	}
	if err := b.inPortions(); err != nil {
		t.Fatal(err)
	}
	b.readOn()
	b.want("192.0.2.1 192.0.2.2 192.0.2.4")
}

func TestAConfirmInALaterPortionOfAFirstReadingHasNoEffect(t *testing.T) {
	b := newBench(t)
	b.write(line("ban", "192.0.2.1", 1900) + line("ban", "192.0.2.2", 1901) + `{"op":"confirm","time":1990}` + "\n")
	if err := b.inPortions(); err != nil {
		t.Fatal(err)
	}
	b.readOn()
	if c := Union(b.now, b.file.Fold()).Confirmed; !c.IsZero() {
		t.Errorf("a confirm of the time before the start counts: %v", c)
	}
	b.write(`{"op":"confirm","time":1995}` + "\n")
	b.refresh()
	if c := Union(b.now, b.file.Fold()).Confirmed; !c.Equal(at(1995)) {
		t.Errorf("a confirm that came while the log was followed counts as of %v", c)
	}
}

// A process without the lock cannot save its place, and its answer is for now.
func TestWhoOnlyLooksReadsAllAtOnce(t *testing.T) {
	b := newBench(t)
	b.write(line("ban", "192.0.2.1", 1900) + line("ban", "192.0.2.2", 1901))
	reader := b.open(false)
	reader.Portion = lineByLine
	if err := reader.Load(context.Background(), b.now, false); err != nil || reader.Behind() {
		t.Errorf("behind %t, %v", reader.Behind(), err)
	}
	if got := bansOf(reader, b.now); got != "192.0.2.1 192.0.2.2" {
		t.Errorf("a reader sees %q", got)
	}
}
