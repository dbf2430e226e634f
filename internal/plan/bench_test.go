package plan

import (
	"net/netip"
	"testing"
	"time"

	"reconciler/internal/desired"
	"reconciler/internal/observed"
)

var observedNothing = observed.State{}

// crowd makes 100,000 bans of single addresses, in the order of their prefixes.
func crowd() desired.Set {
	set := desired.Set{Bans: make([]desired.Ban, 100_000), Lifted: map[netip.Prefix]desired.Reason{}}
	for i := range set.Bans {
		addr := netip.AddrFrom4([4]byte{100, byte(i >> 16), byte(i >> 8), byte(i)})
		set.Bans[i] = desired.Ban{Prefix: netip.PrefixFrom(addr, 32), Until: start.Add(time.Hour), Jails: []string{"sshd"}}
	}
	return set
}

func BenchmarkPlanHostWithOneNewBanAmong100000(b *testing.B) {
	set := crowd()
	host := holding(set)
	host.Entries = append(host.Entries[:50_000:50_000], host.Entries[50_001:]...)
	want := Prepare(set, standard())
	for b.Loop() {
		if changes, _ := ForHost(want, *host, nil, standard(), start); len(changes) != 1 {
			b.Fatalf("%d changes, not one", len(changes))
		}
	}
}

func BenchmarkPlanACLThatIsFullWith100000Bans(b *testing.B) {
	set := crowd()
	var entries []observed.Entry
	for i := range 19 {
		entries = append(entries, observed.Entry{Number: i + 1, Prefix: set.Bans[i].Prefix, Shape: shapeAll})
	}
	acl, host, want := aclOf(entries...), holding(set), Prepare(set, standard())
	for b.Loop() {
		if changes, _ := ForACL(want, acl, host, standard(), start); len(changes) != 0 {
			b.Fatalf("%d changes, not none", len(changes))
		}
	}
}

func BenchmarkPlanACLWithOneFreeSlotFor100000Bans(b *testing.B) {
	set := crowd()
	acl, host, want := aclOf(), holding(set), Prepare(set, standard())
	for b.Loop() {
		if changes, _ := ForACL(want, acl, host, standard(quota(2)), start); len(changes) != 1 {
			b.Fatalf("%d changes, not one", len(changes))
		}
	}
}

func BenchmarkPrepare100000Bans(b *testing.B) {
	set := crowd()
	for b.Loop() {
		Prepare(set, standard())
	}
}
