package s3

import (
	"bytes"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"reconciler/internal/desired"
)

const (
	shared  = "s3://" + bucketName + "/shared/bans.jsonl"
	perHost = "s3://" + bucketName + "/hosts/"
)

func newReader(data []byte) io.Reader { return bytes.NewReader(data) }

// prefixesOf gives the addresses that one process of a host bans.
func prefixesOf(worker, round, count int) []string {
	list := make([]string, count)
	for i := range list {
		n := round*count + i
		list[i] = fmt.Sprintf("10.%d.%d.%d", worker, n/250, n%250+1)
	}
	return list
}

// wantBans checks that each ban is there once, and nothing else.
func wantBans(t *testing.T, records map[desired.ID]desired.Record, want int) {
	t.Helper()
	seen := map[netip.Prefix]int{}
	for _, rec := range records {
		if rec.Host != compactorName {
			seen[rec.Prefix]++
		}
	}
	for p, n := range seen {
		if n != 1 {
			t.Errorf("%s is banned by %d records", p, n)
		}
	}
	if len(seen) != want {
		t.Errorf("%d bans are there, want %d", len(seen), want)
	}
}

func TestTwentyWritersLoseAndDoubleNothing(t *testing.T) {
	const writers, rounds, each = 20, 5, 20
	for _, form := range []struct{ name, state, prefix string }{{"one shared key", shared, "shared/"}, {"a key per host", perHost, "hosts/"}} {
		for _, weather := range []string{"fair weather", "foul weather", "fair weather with a compactor", "foul weather with a compactor"} {
			t.Run(form.name+", "+weather, func(t *testing.T) {
				g := startGateway(t)
				p := startProxy(t, g.url)
				if weather[:4] == "foul" {
					p.foul(0.15)
				}
				var compactor *host
				if len(weather) > 12 {
					compactor = startCompactor(t, p, form.state)
				}
				all := make([]*host, writers)
				for w := range all {
					all[w] = newHost(t, p.URL, fmt.Sprintf("h%d", w), form.state, "RECONCILER_SPOOL=none", "RECONCILER_S3_TIMEOUT=90s")
				}
				write := func(from, to int) {
					var group sync.WaitGroup
					for w, h := range all {
						group.Go(func() {
							for round := from; round < to; round++ {
								h.must(append([]string{"ban", "--jail", "sshd", "--bantime", "1d", "--"}, prefixesOf(w, round, each)...)...)
							}
						})
					}
					group.Wait()
				}
				write(0, rounds-1)
				if compactor != nil { // one writer among twenty may lose every race: a compaction has to lie before the last round
					eventually(t, "a compaction takes place", func() bool {
						return g.compacted(t, form.prefix)
					})
				}
				write(rounds-1, rounds)
				wantBans(t, g.records(t, form.prefix), writers*rounds*each)
				t.Logf("%d writes reached the server, %d of them lost a race", p.writes.Load(), p.lost.Load())
			})
		}
	}
}

func TestTwentyProcessesOfAHundredRecordsEach(t *testing.T) {
	g := startGateway(t)
	var group sync.WaitGroup
	for w := range 20 {
		h := newHost(t, g.url, fmt.Sprintf("h%d", w), shared, "RECONCILER_SPOOL=none")
		group.Go(func() { h.must(append([]string{"ban", "--"}, prefixesOf(w, 0, 100)...)...) })
	}
	group.Wait()
	wantBans(t, g.records(t, "shared/"), 2000)
}

const compactorName = "compactor"

// overBans is a command that writes bans which were over long ago: what a
// compaction takes out, while it keeps the lines of the last minutes.
func overBans(count int) []string {
	args := []string{"ban", "--time", fmt.Sprint(time.Now().Add(-time.Hour).Unix()), "--bantime", "1", "--"}
	for i := range count {
		args = append(args, fmt.Sprintf("198.18.%d.%d", i/250, i%250+1))
	}
	return args
}

// startCompactor runs a daemon that makes its log small again and again, until
// the end of the test, and a writer beside it on the same host.
func startCompactor(t *testing.T, p *proxy, state string) *host {
	t.Helper()
	h := newHost(t, p.URL, compactorName, state, "RECONCILER_POLL=1s", "RECONCILER_COMPACT_AT=4KiB", "RECONCILER_NACL=acl-1",
		"AWS_ENDPOINT_URL="+p.URL, "RECONCILER_S3_TIMEOUT=10s")
	h.startDaemon()
	done := make(chan struct{})
	var group sync.WaitGroup
	group.Go(func() {
		for {
			select {
			case <-done:
				return
			case <-time.After(50 * time.Millisecond):
				h.must(overBans(100)...)
				h.must("ban", "--state", state, "--bantime", "0", "--", "192.0.2.1") // time goes on in this host's own object too
			}
		}
	})
	t.Cleanup(func() { close(done); group.Wait() })
	return h
}

// startDaemon runs the daemon until the end of the test.
func (h *host) startDaemon() (kill func()) {
	h.t.Helper()
	cmd := h.command("run")
	log, err := os.OpenFile(filepath.Join(h.dir, "run.log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		h.t.Fatal(err)
	}
	defer log.Close() //nolint:errcheck // the process has its own
	cmd.Stderr = log
	if err := cmd.Start(); err != nil {
		h.t.Fatal(err)
	}
	var once sync.Once
	kill = func() {
		once.Do(func() {
			_ = cmd.Process.Signal(syscall.SIGKILL)
			_ = cmd.Wait() // killed, as was meant
		})
	}
	h.t.Cleanup(func() {
		kill()
		if h.t.Failed() {
			if text, err := os.ReadFile(log.Name()); err == nil {
				h.t.Logf("%s said: %.4000s", h.name, text)
			}
		}
	})
	return kill
}
