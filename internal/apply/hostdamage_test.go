package apply_test

import (
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"reconciler/internal/hostfake"
	"reconciler/internal/observed"
	"reconciler/internal/plan"
	"reconciler/internal/tool"
)

const ours = "f2b-reconciler"

// createSet is a set as the repair makes it, but for one detail.
func createSet(old, changed string) string {
	return strings.Replace("create f2b-reconciler-v4 hash:net family inet maxelem 2097152 timeout 0", old, changed, 1)
}

// damage is what somebody may do to our part of the firewall.
type damage struct {
	name   string
	do     func(m *machine)
	defect string // what the reader says of it; "" for lost entries alone
	keeps  bool   // the repair alone keeps the bans that were there
}

var chainDamages = []damage{
	{"all rules flushed", func(m *machine) { m.tables("-F INPUT", "-F "+ours) }, "the jump from INPUT to f2b-reconciler is missing (IPv6)", false},
	{"chain deleted", func(m *machine) { m.tables("-D INPUT -j "+ours, "-F "+ours, "-X "+ours) }, "the chain f2b-reconciler is missing (IPv4)", false},
	{"jump removed", func(m *machine) { m.tables("-D INPUT -j " + ours) }, "the jump from INPUT to f2b-reconciler is missing (IPv4)", true},
	{"jump duplicated", func(m *machine) { m.tables("-A INPUT -j LOG", "-A INPUT -j "+ours, "-A INPUT -j "+ours) }, "is there 3 times (IPv6)", true},
	{"jump from elsewhere", func(m *machine) { m.tables("-A FORWARD -j " + ours) }, "a jump leads from FORWARD to f2b-reconciler", true},
	{"rule of somebody else in the chain", func(m *machine) { m.tables("-I " + ours + " 1 -p tcp -j ACCEPT") }, "the chain f2b-reconciler holds", true},
}

var setDamages = []damage{
	{"set flushed", func(m *machine) { m.sets("flush f2b-reconciler-v4", "flush f2b-reconciler-v6") }, "", false},
	{"sets destroyed", func(m *machine) {
		m.tables("-F " + ours)
		m.sets("destroy f2b-reconciler-v4", "destroy f2b-reconciler-v6")
	}, "the set f2b-reconciler-v6 is missing", false},
	{"chain emptied", func(m *machine) { m.tables("-F " + ours) }, "the chain f2b-reconciler does not block the set f2b-reconciler-v4", true},
	{"exempted", func(m *machine) { m.sets("add f2b-reconciler-v4 198.51.100.1 timeout 0 nomatch") }, "lets 198.51.100.1/32 through", true},
	{"set too small", replaced("maxelem 2097152", "maxelem 65536"), "holds only 65536 entries", true},
	{"set without timeouts", replaced(" timeout 0", ""), "was made without timeouts", true},
	{"set of another type", replaced("hash:net", "hash:ip"), "is of type hash:ip", true},
}

// replaced puts a set of another make, which holds the IPv4 ban, in the place
// of ours.
func replaced(old, changed string) func(m *machine) {
	return func(m *machine) {
		m.table(observed.IPv4, "-F "+ours)
		m.sets("destroy f2b-reconciler-v4", createSet(old, changed), "add f2b-reconciler-v4 203.0.113.7")
		m.table(observed.IPv4, "-A "+ours+" -m set --match-set f2b-reconciler-v4 src -j REJECT")
	}
}

func TestARepairMendsEveryDamage(t *testing.T) {
	for _, backend := range []observed.HostSpec{ipset, iptables} {
		damages := slices.Clone(chainDamages)
		if backend.Backend == observed.BackendIPSet {
			damages = append(damages, setDamages...)
			for i := range damages {
				damages[i].keeps = damages[i].keeps || i < 2 // the sets outlive the chains
			}
		}
		for _, d := range damages {
			t.Run(backend.Backend+"/"+d.name, func(t *testing.T) {
				onEveryMachine(t, func(t *testing.T, m *machine) { mend(t, m, backend, d) })
			})
		}
	}
}

func mend(t *testing.T, m *machine, s observed.HostSpec, d damage) {
	bans := adds("203.0.113.7/32", "2001:db8::1/128")
	h := m.host(s)
	do(t, h, append([]plan.Change{repair}, bans...)...)
	d.do(m)
	defects := strings.Join(m.read(t, s).Defects, "; ")
	if !strings.Contains(defects, d.defect) || (d.defect == "") != (defects == "") {
		t.Fatalf("the defects are said to be %q, want %q", defects, d.defect)
	}
	do(t, h, repair)
	wantSound(t, m, s)
	if d.keeps {
		wantEntries(t, m, s, "203.0.113.7/32", "2001:db8::1/128")
	}
	do(t, h, bans...)
	wantEntries(t, m, s, "203.0.113.7/32", "2001:db8::1/128")
	do(t, h, takeDown)
}

var banned, innocent = netip.MustParseAddr("203.0.113.7"), netip.MustParseAddr("192.0.2.1")

// Each write of a rebuild fails in turn, before or after its effect; the ban
// holds at every step, and the next repair ends the work.
func TestARebuildOfASetNeverLetsABanGo(t *testing.T) {
	for name, damage := range map[string]func(*machine){
		"swapped":  replaced("maxelem 2097152", "maxelem 65536"),
		"detoured": replaced("hash:net", "hash:ip"),
	} {
		for fails := 0; ; fails++ {
			m := fakeMachine()
			h := m.host(ipset)
			do(t, h, append([]plan.Change{repair}, adds("203.0.113.7/32")...)...)
			damage(m)
			reached := failAt(t, m.fake, fails)
			_, err := h.Apply(t.Context(), []plan.Change{repair})
			if err != nil {
				t.Fatalf("%s: one refused write failed the whole host: %v", name, err)
			}
			m.fake.Before, m.fake.After = watch(t, m.fake), watch(t, m.fake)
			do(t, h, repair)
			wantSound(t, m, ipset)
			wantEntries(t, m, ipset, "203.0.113.7/32")
			if !*reached {
				break
			}
		}
	}
}

// failAt fails one write of the firewall, counted from 0: the even ones before
// they have an effect, the odd ones after it. It tells whether that many were
// made.
func failAt(t *testing.T, fw *hostfake.Firewall, fails int) *bool {
	t.Helper()
	reached, writes := new(bool), 0
	look := watch(t, fw)
	step := func(c hostfake.Call) error {
		_ = look(c)
		if !c.Writes() {
			return nil
		}
		writes++
		if writes-1 == fails {
			*reached = true
			return hostfake.Complaint(c, "no more memory")
		}
		return nil
	}
	fw.Before, fw.After = step, step
	return reached
}

// watch sees to it that the ban is in force, and only it.
func watch(t *testing.T, fw *hostfake.Firewall) func(hostfake.Call) error {
	return func(c hostfake.Call) error {
		if !fw.Blocked(banned, 22) {
			t.Errorf("the ban was let go about the time of %s:\n%s", c, c.Stdin)
		}
		if fw.Blocked(innocent, 22) {
			t.Errorf("somebody else was blocked about the time of %s", c)
		}
		return nil
	}
}

// The daemon was killed while the chain blocked by the spare set, and the set
// itself was gone, or made anew and still empty.
func TestARebuildThatWasCutOffIsFinishedWithoutAGap(t *testing.T) {
	for _, lines := range [][]string{
		{"destroy f2b-reconciler-v4"},
		{"flush f2b-reconciler-v4"},
	} {
		m := fakeMachine()
		h := m.host(ipset)
		do(t, h, append([]plan.Change{repair}, adds("203.0.113.7/32")...)...)
		m.sets(createSet(ours+"-v4", ours+"-v4-t"), "add f2b-reconciler-v4-t 203.0.113.7 timeout 600")
		m.table(observed.IPv4, ":"+ours+" - [0:0]", "-A "+ours+" -m set --match-set f2b-reconciler-v4-t src -j REJECT")
		m.sets(lines...)
		m.fake.Before, m.fake.After = watch(t, m.fake), watch(t, m.fake)
		do(t, h, repair)
		wantSound(t, m, ipset)
		wantEntries(t, m, ipset, "203.0.113.7/32+600")
	}
}

// A spare set that nothing uses is old, and its bans are not to come back.
func TestAStaleSpareSetIsThrownAway(t *testing.T) {
	onEveryMachine(t, func(t *testing.T, m *machine) {
		do(t, m.host(ipset), repair)
		m.sets(createSet(ours+"-v4", ours+"-v4-t"), "add f2b-reconciler-v4-t 203.0.113.7 timeout 0", "flush f2b-reconciler-v4")
		do(t, m.host(ipset), repair)
		wantEntries(t, m, ipset)
		if _, err := m.run.Run(t.Context(), nil, "ipset", "save", "f2b-reconciler-v4-t"); !errors.Is(err, tool.ErrNoSuchSet) {
			t.Fatalf("the spare set is still there (%v)", err)
		}
	})
}

func TestChangingTheBackEndKeepsBansInForce(t *testing.T) {
	for _, c := range []struct{ from, to observed.HostSpec }{{ipset, iptables}, {iptables, ipset}} {
		m := fakeMachine()
		batch := append([]plan.Change{repair}, adds("203.0.113.7/32", "2001:db8::1/128")...)
		do(t, m.host(c.from), batch...)
		m.fake.Before, m.fake.After = watch(t, m.fake), watch(t, m.fake)
		do(t, m.host(c.to), batch...)
		wantSound(t, m, c.to)
		wantEntries(t, m, c.to, "203.0.113.7/32", "2001:db8::1/128")
	}
}

// The chain is rewritten when the verdict changes; the ban holds throughout.
func TestChangingTheVerdictKeepsBansInForce(t *testing.T) {
	for _, s := range []observed.HostSpec{ipset, iptables} {
		m := fakeMachine()
		do(t, m.host(s), append([]plan.Change{repair}, adds("203.0.113.7/32", "2001:db8::1/128")...)...)
		s.Block = observed.BlockDrop
		if host := m.read(t, s); len(host.Defects) != 2 {
			t.Fatalf("%s: the other verdict shows as defects %q", s.Backend, host.Defects)
		}
		m.fake.Before, m.fake.After = watch(t, m.fake), watch(t, m.fake)
		do(t, m.host(s), repair)
		wantSound(t, m, s)
		wantEntries(t, m, s, "203.0.113.7/32", "2001:db8::1/128")
	}
}
