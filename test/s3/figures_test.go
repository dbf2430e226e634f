package s3

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"reconciler/internal/desired"
)

// BenchmarkAppend measures how long an append to one shared key takes, and how
// often it loses a race, by the number of hosts that append at the same time.
func BenchmarkAppend(b *testing.B) {
	for _, writers := range []int{1, 5, 20} {
		b.Run(fmt.Sprintf("writers=%d", writers), func(b *testing.B) {
			g := startGateway(b)
			address, err := desired.ParseAddress(shared)
			if err != nil {
				b.Fatal(err)
			}
			bucket := desired.Bucket{Objects: g.client(b), Address: address, Limit: 64 << 20, Timeout: time.Minute}
			var mu sync.Mutex
			attempts, longest := 0, time.Duration(0)
			var group sync.WaitGroup
			b.ResetTimer()
			for w := range writers {
				group.Go(func() {
					for i := range (b.N + writers - 1) / writers {
						rec := desired.Record{
							Op: desired.OpPause, Host: "h", Time: time.Now(), ID: desired.ID(fmt.Sprintf("w%d-%d", w, i+1)),
						}
						start := time.Now()
						written, err := bucket.Append(b.Context(), address.Key, []desired.Record{rec})
						if err != nil {
							b.Error(err)
							return
						}
						mu.Lock()
						attempts += written.Attempts
						longest = max(longest, time.Since(start))
						mu.Unlock()
					}
				})
			}
			group.Wait()
			appends := writers * ((b.N + writers - 1) / writers)
			b.ReportMetric(float64(attempts-appends)/float64(appends), "conflicts/append")
			b.ReportMetric(float64(longest.Milliseconds()), "longest-ms")
		})
	}
}

// BenchmarkReach measures the time from `ban` on one host to its entry in the
// ACL of another, at the default interval.
func BenchmarkReach(b *testing.B) {
	g := startGateway(b)
	from, to := newBastion(b, g.url, "a", perHost), newBastion(b, g.url, "b", perHost)
	from.startDaemon()
	to.startDaemon()
	own, longest := time.Duration(0), time.Duration(0)
	for n := 0; b.Loop(); n++ {
		ip := fmt.Sprintf("203.0.113.%d", n%15+1)
		start := time.Now()
		from.must("ban", "--bantime", "1d", "--", ip)
		eventually(b, "the host itself blocks it", func() bool { return from.blocks(ip) })
		own = max(own, time.Since(start))
		eventually(b, "the other host blocks it", func() bool { return to.blocks(ip) })
		longest = max(longest, time.Since(start))
		from.must("unban", "--", ip)
		eventually(b, "nobody blocks it", func() bool { return !from.blocks(ip) && !to.blocks(ip) })
	}
	b.ReportMetric(own.Seconds(), "longest-s-on-itself")
	b.ReportMetric(longest.Seconds(), "longest-s-on-the-other")
}

// BenchmarkIdle counts the requests of a daemon with nothing to do.
func BenchmarkIdle(b *testing.B) {
	for name, state := range map[string]string{"a key per host": perHost, "one shared key": shared} {
		b.Run(name, func(b *testing.B) {
			g := startGateway(b)
			p := startProxy(b, g.url)
			h := newHost(b, p.URL, "a", state, "RECONCILER_NACL=acl-1", "AWS_ENDPOINT_URL="+g.url)
			h.must("ban", "203.0.113.1")
			h.startDaemon()
			time.Sleep(15 * time.Second)
			before, start := p.calls.Load(), time.Now()
			time.Sleep(time.Minute)
			b.ReportMetric(float64(p.calls.Load()-before)/time.Since(start).Hours(), "requests/hour")
		})
	}
}
