package apply_test

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"reconciler/internal/apply"
	"reconciler/internal/observed"
	"reconciler/internal/plan"
	"reconciler/internal/testenv"
	"reconciler/internal/tool"
)

// With no daemon at work, the kernel itself lifts a ban when it is over.
func TestTheKernelLiftsABanByItself(t *testing.T) {
	m := kernelMachine(t, "nft")
	h := m.host(ipset)
	do(t, h, repair, add("203.0.113.7/32", m.now().Add(1500*time.Millisecond)), add("2001:db8::1/128", m.now().Add(time.Hour)))
	wantEntries(t, m, ipset, "203.0.113.7/32+2", "2001:db8::1/128+3600")
	deadline := time.Now().Add(time.Minute)
	for len(m.read(t, ipset).Entries) != 1 {
		if time.Now().After(deadline) {
			t.Fatal("the kernel still holds the ban a minute after its end")
		}
		time.Sleep(100 * time.Millisecond)
	}
	wantEntries(t, m, ipset, "2001:db8::1/128+3600")
}

func TestARenamedChainIsBuiltAnew(t *testing.T) {
	for _, variant := range []string{"nft", "legacy"} {
		t.Run(variant, func(t *testing.T) {
			m := kernelMachine(t, variant)
			do(t, m.host(ipset), append([]plan.Change{repair}, adds("203.0.113.7/32", "2001:db8::1/128")...)...)
			testenv.Run(t, "", "iptables-"+variant, "-E", ours, "renamed")
			if host := m.read(t, ipset); len(host.Defects) != 2 {
				t.Fatalf("the renamed chain shows as %q", host.Defects)
			}
			do(t, m.host(ipset), repair)
			wantSound(t, m, ipset)
			wantEntries(t, m, ipset, "203.0.113.7/32", "2001:db8::1/128")
		})
	}
}

// A rebuild of a set with many bans, on the real kernel.
func TestARebuildKeepsEveryBanOfALargeSet(t *testing.T) {
	m := kernelMachine(t, "nft")
	var batch []plan.Change
	for i := range 5000 {
		batch = append(batch, add(fmt.Sprintf("10.%d.%d.1/32", i/250, i%250), m.now().Add(time.Hour)))
	}
	small := observed.HostSpec{MaxEntries: 6000}
	do(t, m.host(small), append([]plan.Change{repair}, batch...)...)
	do(t, m.host(ipset), repair)
	wantSound(t, m, ipset)
	host := m.read(t, ipset)
	if len(host.Entries) != len(batch) {
		t.Fatalf("of %d bans %d are left", len(batch), len(host.Entries))
	}
	for _, e := range host.Entries {
		if rest := e.Until.Sub(m.now()); (rest - time.Hour).Abs() > 5*time.Minute {
			t.Fatalf("the ban of %s now has %s left instead of an hour", e.Prefix, rest)
		}
	}
}

// BenchmarkApply10000 measures 10,000 additions through the back end beside
// the same text given to ipset by hand; "ratio" is the one by the other.
func BenchmarkApply10000(b *testing.B) {
	testenv.Need(b, "ipset", "iptables-restore", "ip6tables-restore")
	testenv.CleanFirewall(b)
	b.Cleanup(func() { testenv.CleanFirewall(b) })
	h := apply.NewHost(tool.Exec{}, observed.HostSpec{})
	do(b, h, repair)
	until := time.Now().Add(time.Hour)
	var batch []plan.Change
	var raw bytes.Buffer
	for i := range 10000 {
		p := fmt.Sprintf("10.1.%d.%d/32", i/250, i%250)
		batch = append(batch, add(p, until))
		fmt.Fprintf(&raw, "add f2b-reconciler-v4 %s timeout 3600\n", p)
	}
	var ours, bare time.Duration
	for b.Loop() {
		start := time.Now()
		do(b, h, batch...)
		ours += time.Since(start)
		start = time.Now()
		testenv.Run(b, raw.String(), "ipset", "-exist", "restore")
		bare += time.Since(start)
	}
	b.ReportMetric(float64(ours)/float64(bare), "ratio")
}
