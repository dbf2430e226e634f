package apply_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"reconciler/internal/observed"
	"reconciler/internal/plan"
	"reconciler/internal/tool"
)

var (
	ipset    = observed.HostSpec{Backend: observed.BackendIPSet}
	iptables = observed.HostSpec{Backend: observed.BackendIPTables}
	ssh      = observed.Shape{Protocol: observed.ProtocolTCP, Ports: observed.Ports{From: 22, To: 22}}
)

// specs are the forms in which the firewall is built.
var specs = map[string]observed.HostSpec{
	"ipset":               ipset,
	"ipset, drop, ssh":    {Backend: observed.BackendIPSet, Block: observed.BlockDrop, Shape: ssh},
	"ipset, two hooks":    {Backend: observed.BackendIPSet, Hooks: []string{"INPUT", "FORWARD"}},
	"iptables":            iptables,
	"iptables, drop, ssh": {Backend: observed.BackendIPTables, Block: observed.BlockDrop, Shape: ssh},
	"ipset, udp": {Backend: observed.BackendIPSet, Shape: observed.Shape{
		Protocol: observed.ProtocolUDP, Ports: observed.Ports{From: 5000, To: 5010},
	}},
}

func onEveryMachineAndSpec(t *testing.T, test func(t *testing.T, m *machine, s observed.HostSpec)) {
	for name, s := range specs {
		t.Run(name, func(t *testing.T) {
			onEveryMachine(t, func(t *testing.T, m *machine) { test(t, m, s) })
		})
	}
}

func TestAnEmptyFirewallIsBuiltAndFilled(t *testing.T) {
	onEveryMachineAndSpec(t, func(t *testing.T, m *machine, s observed.HostSpec) {
		if host := m.read(t, s); host.Present || len(host.Defects) == 0 {
			t.Fatalf("an empty firewall was read as present %t with defects %q", host.Present, host.Defects)
		}
		do(t, m.host(s), repair,
			add("203.0.113.7/32", m.now().Add(time.Hour)), add("198.51.100.0/24", time.Time{}),
			add("2001:db8::1/128", m.now().Add(2*time.Hour)), add("2001:db8:1::/48", time.Time{}))
		wantSound(t, m, s)
		wantEntries(t, m, s, "203.0.113.7/32+3600", "198.51.100.0/24", "2001:db8::1/128+7200", "2001:db8:1::/48")
	})
}

func TestEntriesAreRefreshedAndRemoved(t *testing.T) {
	onEveryMachineAndSpec(t, func(t *testing.T, m *machine, s observed.HostSpec) {
		h := m.host(s)
		do(t, h, repair, add("203.0.113.7/32", m.now().Add(time.Hour)), add("2001:db8::1/128", time.Time{}), add("192.0.2.9/32", time.Time{}))
		do(t, h, entry(plan.Refresh, "203.0.113.7/32", m.now().Add(5*time.Hour)),
			entry(plan.Refresh, "2001:db8::1/128", m.now().Add(time.Hour)), remove("192.0.2.9/32"), remove("192.0.2.77/32"))
		wantEntries(t, m, s, "203.0.113.7/32+18000", "2001:db8::1/128+3600")
		do(t, h, entry(plan.Refresh, "203.0.113.7/32", m.now().Add(time.Minute)))
		wantEntries(t, m, s, "203.0.113.7/32+60", "2001:db8::1/128+3600")
	})
}

func TestABanThatIsOverLeavesNoEntry(t *testing.T) {
	onEveryMachineAndSpec(t, func(t *testing.T, m *machine, s observed.HostSpec) {
		h := m.host(s)
		do(t, h, repair, add("203.0.113.7/32", m.now().Add(time.Hour)), add("192.0.2.1/32", m.now().Add(-time.Second)))
		do(t, h, entry(plan.Refresh, "203.0.113.7/32", m.now().Add(-time.Minute)))
		wantEntries(t, m, s)
	})
}

func TestARepairOfASoundFirewallChangesNothing(t *testing.T) {
	onEveryMachineAndSpec(t, func(t *testing.T, m *machine, s observed.HostSpec) {
		h := m.host(s)
		m.tables("-A INPUT -i lo -j ACCEPT", "-A INPUT -p tcp -m tcp --dport 443 -j LOG")
		do(t, h, append([]plan.Change{repair}, adds("203.0.113.7/32", "2001:db8::1/128")...)...)
		before := m.dump(t)
		do(t, h, repair)
		if after := m.dump(t); after != before {
			t.Fatalf("the repair changed the tables from\n%s\nto\n%s", before, after)
		}
		wantEntries(t, m, s, "203.0.113.7/32", "2001:db8::1/128")
	})
}

func TestARepairLeavesAnExistingJumpWhereItIs(t *testing.T) {
	onEveryMachine(t, func(t *testing.T, m *machine) {
		h := m.host(ipset)
		do(t, h, repair)
		m.tables("-I INPUT 1 -i lo -j ACCEPT", "-A f2b-reconciler -j RETURN", "-A INPUT -j LOG", "-A INPUT -j f2b-reconciler")
		do(t, h, repair)
		wantSound(t, m, ipset)
		if dump := m.dump(t); !strings.Contains(dump, "-A INPUT -i lo -j ACCEPT\n-A INPUT -j f2b-reconciler\n-A INPUT -j LOG\n") {
			t.Fatalf("the jump was moved:\n%s", dump)
		}
	})
}

func TestPinMovesAnOverruledJumpToTheTopOnly(t *testing.T) {
	onEveryMachineAndSpec(t, func(t *testing.T, m *machine, s observed.HostSpec) {
		h := m.host(s)
		do(t, h, append([]plan.Change{repair}, adds("203.0.113.7/32", "2001:db8::1/128")...)...)
		do(t, h, pin)
		m.tables("-I INPUT 1 -j ACCEPT")
		if host := m.read(t, s); len(host.Overruled) != 2 {
			t.Fatalf("both families accept all before the jump, yet overruled are %v", host.Overruled)
		}
		do(t, h, pin)
		wantSound(t, m, s)
		if dump := m.dump(t); strings.Count(dump, "-A INPUT -j f2b-reconciler\n-A INPUT -j ACCEPT\n") != 2 {
			t.Fatalf("the jumps are not just above the rules that overruled them:\n%s", dump)
		}
		wantEntries(t, m, s, "203.0.113.7/32", "2001:db8::1/128")
	})
}

func TestTakingDownLeavesTheFirewallAsItWas(t *testing.T) {
	onEveryMachineAndSpec(t, func(t *testing.T, m *machine, s observed.HostSpec) {
		m.tables(":theirs - [0:0]", "-A INPUT -i lo -j ACCEPT", "-A INPUT -j theirs", "-A theirs -p tcp -m tcp --dport 80 -j ACCEPT")
		m.sets("create theirs hash:ip timeout 0", "add theirs 192.0.2.1")
		before := m.dump(t)
		h := m.host(s)
		do(t, h, append([]plan.Change{repair}, adds("203.0.113.7/32", "2001:db8::1/128")...)...)
		m.tables("-A theirs -p udp -j f2b-reconciler", "-A INPUT -j f2b-reconciler")
		do(t, h, takeDown)
		if after := m.dump(t); after != before {
			t.Fatalf("before, the tables were\n%s\nand after the teardown\n%s", before, after)
		}
		if host := m.read(t, s); host.Present || len(host.Entries) > 0 {
			t.Fatalf("after the teardown something is left: %+v", host)
		}
		if out, err := m.run.Run(t.Context(), nil, "ipset", "save", "theirs"); err != nil || !strings.Contains(string(out), "add theirs 192.0.2.1") {
			t.Fatalf("somebody else's set was changed: %q, %v", out, err)
		}
		do(t, h, takeDown)
	})
}

func TestAHookThatDoesNotExistIsWarnedOfAndBlocksNothing(t *testing.T) {
	s := observed.HostSpec{Hooks: []string{"INPUT", "DOCKER-USER"}}
	onEveryMachine(t, func(t *testing.T, m *machine) {
		h := m.host(s)
		do(t, h, append([]plan.Change{repair}, adds("203.0.113.7/32")...)...)
		wantSound(t, m, s)
		if host := m.read(t, s); len(host.Warnings) != 2 || !strings.Contains(host.Warnings[0], "DOCKER-USER") {
			t.Fatalf("the missing hook is warned of as %q", host.Warnings)
		}
		m.tables(":DOCKER-USER - [0:0]", "-A DOCKER-USER -j RETURN", "-A FORWARD -j DOCKER-USER")
		if host := m.read(t, s); len(host.Warnings) != 0 || len(host.Defects) != 2 {
			t.Fatalf("the hook exists now, yet warnings are %q and defects %q", host.Warnings, host.Defects)
		}
		do(t, h, repair)
		wantSound(t, m, s)
	})
}

func TestWithoutAnyHookTheHostDoesNotEnforce(t *testing.T) {
	s := observed.HostSpec{Hooks: []string{"DOCKER-USER"}}
	onEveryMachine(t, func(t *testing.T, m *machine) {
		do(t, m.host(s), repair, pin)
		if host := m.read(t, s); len(host.Overruled) != 2 || !host.Unhooked || len(host.Refused) != 1 {
			t.Fatalf("nothing leads into the chain, yet overruled are %v", host.Overruled)
		}
	})
}

// bothVariants runs a test on the fake and on the kernel, which keep the tables
// of both variants side by side, for each change from one to the other.
func bothVariants(t *testing.T, test func(t *testing.T, m *machine, from, to string)) {
	t.Helper()
	for from, to := range map[string]string{"nft": "legacy", "legacy": "nft"} {
		t.Run(from+" to "+to+"/fake", func(t *testing.T) { test(t, fakeMachine(), from, to) })
		t.Run(from+" to "+to+"/kernel", func(t *testing.T) { test(t, kernelMachine(t, from), from, to) })
	}
}

func TestTheChainDoesNotStayInTheOtherVariantsTables(t *testing.T) {
	bothVariants(t, func(t *testing.T, m *machine, from, to string) {
		for _, s := range []observed.HostSpec{ipset, iptables} {
			for _, m.variant = range []string{from, to} {
				do(t, m.host(s), repair, add("203.0.113.7/32", time.Time{}))
				wantSound(t, m, s)
			}
			m.variant = from
			if left := m.dump(t); strings.Contains(left, ours) {
				t.Errorf("%s: in the tables of before there is\n%s", s.Backend, left)
			}
			m.variant = to
			do(t, m.host(s), takeDown)
		}
	})
}

// A release before this has left it there, and the daemon is not root.
func TestATeardownFindsTheChainInTheOtherVariantsTables(t *testing.T) {
	bothVariants(t, func(t *testing.T, m *machine, from, to string) {
		m.variant = to
		do(t, m.host(ipset), repair, add("203.0.113.7/32", time.Time{}))
		m.variant = from
		m.table(observed.IPv4, ":"+ours+" - [0:0]", "-I INPUT 1 -j "+ours, "-A "+ours+" -m set --match-set "+ours+"-v4 src -j DROP")
		m.variant = to
		m.run = unlisted{m.run}
		do(t, m.host(ipset), takeDown)
		for _, m.variant = range []string{from, to} {
			if left := m.dump(t); strings.Contains(left, ours) {
				t.Errorf("after the teardown the tables of %s hold\n%s", m.variant, left)
			}
		}
	})
}

// unlisted is a machine on which the tables that are there cannot be listed, as
// for a service that is not root; one that is named can be read.
type unlisted struct{ tool.Runner }

func (u unlisted) Run(ctx context.Context, stdin []byte, program string, args ...string) ([]byte, error) {
	if strings.HasSuffix(program, "-save") && len(args) == 0 {
		return nil, &tool.Error{Program: program, Err: errors.New("exit status 1"), Stderr: "Permission denied"}
	}
	return u.Runner.Run(ctx, stdin, program, args...)
}
