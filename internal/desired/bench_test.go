package desired

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// bigLog gives n lines of about 115 bytes, each a ban of another address.
func bigLog(n int) []byte {
	var log []byte
	addr := netip.MustParseAddr("10.0.0.0")
	for i := range n {
		rec := Record{
			Op: OpBan, Prefix: netip.PrefixFrom(addr, 32), Jail: "sshd", Host: "i-0abc",
			Time: at(1795331997 + int64(i/100)), Bantime: 3600, Reason: "5 failures",
		}
		log = append(rec.AppendJSON(log), '\n')
		addr = addr.Next()
	}
	return log
}

// bigFold has 100,000 claims.
func bigFold(tb testing.TB) *Fold {
	f := NewFold()
	var p Parser
	for line := range bytes.Lines(bigLog(100_000)) {
		rec, err := p.Parse(line)
		if err != nil {
			tb.Fatal(err)
		}
		if err := f.Apply(rec, at(1795331997)); err != nil {
			tb.Fatal(err)
		}
	}
	return f
}

func BenchmarkParseRecord(b *testing.B) {
	line := bytes.TrimSpace(bigLog(1))
	var p Parser
	b.ReportAllocs()
	for b.Loop() {
		if _, err := p.Parse(line); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkParseRecordWithEncodingJSON(b *testing.B) {
	line := bytes.TrimSpace(bigLog(1))
	b.ReportAllocs()
	for b.Loop() {
		var r struct {
			Op, IP, Jail, Host, Reason string
			Time                       float64
			Bantime                    int64
		}
		if err := json.Unmarshal(line, &r); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkUnionOf100000Claims(b *testing.B) {
	f := bigFold(b)
	now := at(1795331998)
	Union(now, f)
	extra, err := ParseRecord([]byte(`{"op":"ban","ip":"10.0.77.1","jail":"other","time":1795331997}`))
	if err != nil {
		b.Fatal(err)
	}
	b.Run("after one more ban", func(b *testing.B) {
		for b.Loop() {
			if err := f.Apply(extra, now); err != nil {
				b.Fatal(err)
			}
			if set := Union(now, f); len(set.Bans) != 100_000 {
				b.Fatal(len(set.Bans))
			}
		}
	})
	b.Run("of two sources", func(b *testing.B) {
		g := bigFold(b)
		for b.Loop() {
			if set := Union(now, f, g); len(set.Bans) != 100_000 {
				b.Fatal(len(set.Bans))
			}
		}
	})
	b.Run("from the beginning", func(b *testing.B) {
		for b.Loop() {
			b.StopTimer()
			g := bigFold(b)
			b.StartTimer()
			Union(now, g)
		}
	})
}

func BenchmarkSnapshotOf100000Claims(b *testing.B) {
	f := bigFold(b)
	var out bytes.Buffer
	if err := (&snapshot{fold: f}).write(&out); err != nil {
		b.Fatal(err)
	}
	b.Run("write", func(b *testing.B) {
		for b.Loop() {
			if err := (&snapshot{fold: f}).write(io.Discard); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("write with encoding json", func(b *testing.B) {
		type line struct {
			Kind, IP, Host, Jail, Text string
			At, Until                  time.Time
		}
		for b.Loop() {
			enc := json.NewEncoder(io.Discard)
			for _, c := range f.sorted() {
				if err := enc.Encode(line{"claim", c.prefix.String(), c.pair.host, c.pair.jail, c.reason, c.from, c.until}); err != nil {
					b.Fatal(err)
				}
			}
		}
	})
	b.Run("read", func(b *testing.B) {
		for b.Loop() {
			if _, err := readSnapshot(bytes.NewReader(out.Bytes())); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkLoadOf1000000Lines(b *testing.B) {
	log := bigLog(1_000_000)
	path := filepath.Join(b.TempDir(), "bans.jsonl")
	if err := os.WriteFile(path, log, 0o640); err != nil {
		b.Fatal(err)
	}
	scan := func() time.Duration {
		start := time.Now()
		data, err := os.ReadFile(path)
		if err != nil || bytes.Count(data, []byte{'\n'}) != 1_000_000 {
			b.Fatal(err)
		}
		return time.Since(start)
	}
	b.SetBytes(int64(len(log)))
	var plain, load time.Duration
	for b.Loop() {
		plain += scan()
		start := time.Now()
		f := NewFile(path)
		if err := f.Load(context.Background(), at(1795331998), false); err != nil {
			b.Fatal(err)
		}
		load += time.Since(start)
		_ = f.Close()
	}
	b.ReportMetric(float64(load)/float64(plain), "x-of-a-newline-scan")
}

func BenchmarkAppendAndRefreshOnABigLog(b *testing.B) {
	path := filepath.Join(b.TempDir(), "bans.jsonl")
	if err := os.WriteFile(path, bigLog(300_000), 0o640); err != nil {
		b.Fatal(err)
	}
	f := NewFile(path)
	f.RunDir = b.TempDir()
	if _, err := f.Lock(); err != nil {
		b.Fatal(err)
	}
	ctx, now := context.Background(), at(1795331998)
	if err := f.Load(ctx, now, false); err != nil {
		b.Fatal(err)
	}
	log, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = log.Close() }()
	i := 0
	for b.Loop() {
		i++
		if _, err := fmt.Fprintf(log, "{\"op\":\"ban\",\"ip\":\"11.%d.%d.%d\",\"time\":1795331998}\n", i>>16&255, i>>8&255, i&255); err != nil {
			b.Fatal(err)
		}
		if changed, err := f.Refresh(ctx, now); err != nil || !changed {
			b.Fatal(changed, err)
		}
	}
}

// BenchmarkTwoThousandHosts measures one look at what the logs of many hosts
// want together, when hardly one has changed.
func BenchmarkTwoThousandHosts(b *testing.B) {
	folds := make([]*Fold, 2000)
	for h := range folds {
		folds[h] = NewFold()
		for i := range 50 {
			rec := Record{Op: OpBan, Prefix: mustPrefix(fmt.Sprintf("10.%d.%d.%d/32", h>>8, h&255, i)), Host: fmt.Sprint("h", h), Jail: "j", Time: at(50), Bantime: -1}
			if err := folds[h].Apply(rec, at(50)); err != nil {
				b.Fatal(err)
			}
		}
		if err := folds[h].Apply(Record{Op: OpUnban, Prefix: mustPrefix("192.0.2.1/32"), Time: at(50)}, at(50)); err != nil {
			b.Fatal(err)
		}
	}
	for b.Loop() {
		Settle(at(60), folds...)
		if set := Union(at(60), folds...); len(set.Bans) != 50*len(folds) {
			b.Fatalf("%d bans", len(set.Bans))
		}
	}
}
