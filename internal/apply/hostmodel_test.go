package apply_test

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"reconciler/internal/apply"
	"reconciler/internal/observed"
	"reconciler/internal/plan"
	"reconciler/internal/testenv"
)

// drawChange gives any change that a plan may hold, and a few that it may not.
func drawChange(t *rapid.T, now time.Time) plan.Change {
	action := rapid.SampledFrom([]plan.Action{plan.Add, plan.Add, plan.Add, plan.Refresh, plan.Remove, plan.Repair, plan.Pin}).Draw(t, "action")
	c := plan.Change{Target: plan.HostTarget, Action: action}
	if action == plan.Repair || action == plan.Pin {
		return c
	}
	base := rapid.SampledFrom([]string{"192.0.2.0", "198.51.100.4", "2001:db8::", "2001:db8::4"}).Draw(t, "base")
	addr := netip.MustParseAddr(base)
	c.Prefix, _ = addr.Prefix(addr.BitLen() - rapid.SampledFrom([]int{0, 1, 2, addr.BitLen()}).Draw(t, "host bits"))
	if rest := rapid.SampledFrom([]time.Duration{0, -1, time.Hour, 9 * time.Hour, 90 * 24 * time.Hour}).Draw(t, "rest"); rest != 0 {
		c.Until = now.Add(rest)
	}
	return c
}

// foreignActs are what somebody else may do in between.
var foreignActs = []func(m *machine){
	func(*machine) {},
	func(m *machine) { m.tables("-F INPUT", ":"+ours+" - [0:0]") },
	func(m *machine) { m.tables("-I INPUT 1 -p tcp -m tcp --dport 22 -j ACCEPT") },
	func(m *machine) { m.tables(":"+ours+" - [0:0]", "-A INPUT -j "+ours, "-A FORWARD -j "+ours) },
	func(m *machine) { m.tables(":"+ours+" - [0:0]", "-A "+ours+" -j RETURN") },
	func(m *machine) { m.sets(smallSet, "flush f2b-reconciler-v4") },
	func(m *machine) { m.sets(smallSet, "add f2b-reconciler-v4 192.0.2.0/31 timeout 0 nomatch") },
	func(m *machine) { m.sets(smallSet, "create other hash:ip timeout 0", "add other 192.0.2.9 timeout 0") },
}

// smallSet is there already when the ipset back end has run before.
const smallSet = "create f2b-reconciler-v4 hash:net family inet maxelem 4 timeout 0"

// outcome is what can be compared between the fake and the kernel.
type outcome struct {
	Failed              []bool
	Entries             []string
	Defects             []string
	Overruled, Warnings []string
	Dump                string
}

func outcomeOf(t testing.TB, m *machine, s observed.HostSpec, batch []plan.Change) outcome {
	t.Helper()
	results, err := m.host(s).Apply(t.Context(), batch)
	if err != nil {
		t.Fatalf("applying: %v", err)
	}
	var o outcome
	for _, r := range results {
		o.Failed = append(o.Failed, r.Err != nil)
	}
	host := m.read(t, s)
	for _, e := range host.Entries {
		rest := "for ever"
		if !e.Until.IsZero() {
			rest = fmt.Sprintf("for %.1f hours", e.Until.Sub(m.now()).Hours())
		}
		o.Entries = append(o.Entries, e.Prefix.String()+" "+rest)
	}
	o.Defects, o.Warnings = host.Defects, host.Warnings
	for _, opening := range host.Overruled {
		o.Overruled = append(o.Overruled, opening.Why)
	}
	o.Dump = m.dump(t)
	return o
}

// The fake is only worth what it shares with the kernel.
func TestTheFakeAndTheKernelAgreeOnEverySequence(t *testing.T) {
	for _, variant := range []string{"nft", "legacy"} {
		for _, backend := range []string{observed.BackendIPSet, observed.BackendIPTables} {
			t.Run(variant+"/"+backend, func(t *testing.T) {
				kernel := kernelMachine(t, variant)
				testenv.Checks(t, "25") // a sequence costs some forty runs of programs
				rapid.Check(t, func(rt *rapid.T) { agree(t, rt, kernel, backend) })
			})
		}
	}
}

func agree(t *testing.T, rt *rapid.T, kernel *machine, backend string) {
	testenv.CleanFirewall(t)
	fake := fakeMachine()
	fake.variant = kernel.variant
	// One clock for both, so that ends in comments are the same too.
	start := time.Now().Truncate(time.Second)
	fake.now = func() time.Time { return start }
	fake.fake.Now = fake.now
	kernel.now = fake.now
	// A cap of 500 and hash sizes are the kernel's own business; four is soon full.
	s := observed.HostSpec{Backend: backend, MaxEntries: 4}
	for range rapid.IntRange(1, 3).Draw(rt, "batches") {
		act := rapid.IntRange(0, len(foreignActs)-1).Draw(rt, "what somebody did before")
		foreignActs[act](fake)
		foreignActs[act](kernel)
		batch := make([]plan.Change, rapid.IntRange(1, 8).Draw(rt, "changes"))
		for i := range batch {
			batch[i] = drawChange(rt, start)
		}
		want, got := outcomeOf(t, kernel, s, batch), outcomeOf(t, fake, s, batch)
		if diff := cmp.Diff(want, got); diff != "" {
			rt.Fatalf("after %v the kernel and the fake differ (-kernel +fake):\n%s", batch, diff)
		}
	}
}

// Whatever a batch holds, a repair after it makes the firewall sound, and the
// host holds what a map would hold.
func TestTheHostHoldsWhatWasAskedFor(t *testing.T) {
	for _, backend := range []string{observed.BackendIPSet, observed.BackendIPTables} {
		t.Run(backend, func(t *testing.T) {
			rapid.Check(t, func(rt *rapid.T) {
				m, s := fakeMachine(), observed.HostSpec{Backend: backend}
				model := map[netip.Prefix]bool{}
				do(t, m.host(s), repair)
				for range rapid.IntRange(1, 4).Draw(rt, "batches") {
					batch := []plan.Change{repair}
					for range rapid.IntRange(0, 9).Draw(rt, "changes") {
						batch = append(batch, drawChange(rt, m.now()))
					}
					results, err := m.host(s).Apply(t.Context(), batch)
					if err != nil {
						rt.Fatalf("a batch failed as a whole: %v", err)
					}
					for _, r := range results {
						note(rt, model, r, m.now())
					}
					compareWithModel(rt, m.read(t, s), model)
				}
			})
		})
	}
}

func note(rt *rapid.T, model map[netip.Prefix]bool, r apply.Result, now time.Time) {
	c := r.Change
	if c.Action == plan.Repair || c.Action == plan.Pin {
		if r.Err != nil {
			rt.Fatalf("%s: %v", c.Action, r.Err)
		}
		return
	}
	if whole := c.Prefix.Bits() == 0; whole != (r.Err != nil) {
		rt.Fatalf("%s %s ended with %v", c.Action, c.Prefix, r.Err)
	} else if whole {
		return
	}
	model[c.Prefix] = c.Action != plan.Remove && (c.Until.IsZero() || now.Before(c.Until))
}

func compareWithModel(rt *rapid.T, host observed.Host, model map[netip.Prefix]bool) {
	if len(host.Defects)+len(host.Overruled) > 0 {
		rt.Fatalf("after a repair the firewall is not sound: %q, %v", host.Defects, host.Overruled)
	}
	held := map[netip.Prefix]bool{}
	for _, e := range host.Entries {
		held[e.Prefix] = true
		if !model[e.Prefix] {
			rt.Fatalf("%s is blocked and nobody asked for it", e.Prefix)
		}
	}
	for p, wanted := range model {
		if wanted && !held[p] {
			rt.Fatalf("%s was added with success and is not there", p)
		}
	}
}
