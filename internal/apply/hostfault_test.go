package apply_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"reconciler/internal/apply"
	"reconciler/internal/hostfake"
	"reconciler/internal/observed"
	"reconciler/internal/plan"
	"reconciler/internal/tool"
)

func TestOneBadEntryBlocksNothingElse(t *testing.T) {
	onEveryMachineAndSpec(t, func(t *testing.T, m *machine, s observed.HostSpec) {
		h := m.host(s)
		do(t, h, repair)
		batch := adds("203.0.113.7/32", "0.0.0.0/0", "198.51.100.0/24", "::/0", "2001:db8::1/128")
		batch = append(batch, plan.Change{Action: plan.Add}, plan.Change{Action: plan.Create, Prefix: netip.MustParsePrefix("192.0.2.1/32")},
			plan.Change{Action: plan.Add, Prefix: netip.MustParsePrefix("192.0.2.1/24")})
		results, err := h.Apply(t.Context(), batch)
		if err != nil {
			t.Fatalf("bad entries failed the whole host: %v", err)
		}
		for i, r := range results {
			if bad := i == 1 || i == 3 || i > 4; (r.Err != nil) != bad {
				t.Errorf("change %d, %s %s: %v", i, r.Change.Action, r.Change.Prefix, r.Err)
			}
		}
		wantEntries(t, m, s, "203.0.113.7/32", "198.51.100.0/24", "2001:db8::1/128")
	})
}

func TestAFullHostRefusesOnlyWhatIsNew(t *testing.T) {
	for _, s := range []observed.HostSpec{ipset, iptables} {
		s.MaxEntries = 3
		t.Run(s.Backend, func(t *testing.T) {
			onEveryMachine(t, func(t *testing.T, m *machine) {
				h := m.host(s)
				do(t, h, append([]plan.Change{repair}, adds("192.0.2.1/32", "192.0.2.2/32")...)...)
				batch := append(adds("192.0.2.3/32", "192.0.2.4/32", "192.0.2.5/32"),
					entry(plan.Refresh, "192.0.2.1/32", m.now().Add(time.Hour)), remove("192.0.2.2/32"))
				results, err := h.Apply(t.Context(), batch)
				if err != nil {
					t.Fatalf("a full set failed the whole host: %v", err)
				}
				for i, r := range results {
					if full := i == 1 || i == 2; errors.Is(r.Err, apply.ErrHostFull) != full || full != (r.Err != nil) {
						t.Errorf("change %d, %s %s: %v", i, r.Change.Action, r.Change.Prefix, r.Err)
					}
				}
				wantEntries(t, m, s, "192.0.2.1/32+3600", "192.0.2.3/32")
			})
		})
	}
}

func TestAMissingSetFailsItsOwnFamilyOnly(t *testing.T) {
	onEveryMachine(t, func(t *testing.T, m *machine) {
		h := m.host(ipset)
		do(t, h, repair)
		m.table(observed.IPv6, "-F "+ours)
		m.sets("destroy f2b-reconciler-v6")
		batch := adds("192.0.2.1/32", "2001:db8::1/128", "192.0.2.2/32", "2001:db8::2/128", "192.0.2.3/32")
		results, err := h.Apply(t.Context(), batch)
		if err != nil {
			t.Fatalf("a missing set failed the whole host: %v", err)
		}
		for _, r := range results {
			if want := r.Change.Prefix.Addr().Is6(); errors.Is(r.Err, tool.ErrNoSuchSet) != want || want != (r.Err != nil) {
				t.Errorf("%s: %v", r.Change.Prefix, r.Err)
			}
		}
		do(t, h, append([]plan.Change{repair}, batch...)...)
		wantEntries(t, m, ipset, "192.0.2.1/32", "192.0.2.2/32", "192.0.2.3/32", "2001:db8::1/128", "2001:db8::2/128")
	})
}

// refuse fails every run whose input names a prefix, at its line.
func refuse(prefixes ...string) func(hostfake.Call) error {
	return func(c hostfake.Call) error {
		for i, line := range strings.Split(c.Stdin, "\n") {
			for _, p := range prefixes {
				if strings.Contains(line, " "+p+" ") {
					return hostfake.Complaint(c, fmt.Sprintf("ipset v7.17: Error in line %d: Syntax error: no", i+1))
				}
			}
		}
		return nil
	}
}

func TestLinesThatIPSetRefusesFailAlone(t *testing.T) {
	m := fakeMachine()
	h := m.host(ipset)
	do(t, h, repair)
	var want []string
	for i := range 40 {
		want = append(want, fmt.Sprintf("192.0.2.%d/32", i))
	}
	m.fake.Before = refuse("192.0.2.0", "192.0.2.7", "192.0.2.8", "192.0.2.39")
	results, err := h.Apply(t.Context(), adds(want...))
	if err != nil {
		t.Fatalf("refused lines failed the whole host: %v", err)
	}
	var kept []string
	for i, r := range results {
		bad := i == 0 || i == 7 || i == 8 || i == 39
		if bad != (r.Err != nil) {
			t.Errorf("%s: %v", r.Change.Prefix, r.Err)
		}
		if !bad {
			kept = append(kept, want[i])
		}
	}
	wantEntries(t, m, ipset, kept...)
}

func TestALostResponseIsMendedByDoingItAgain(t *testing.T) {
	for name, s := range specs {
		t.Run(name, func(t *testing.T) {
			m := fakeMachine()
			h := m.host(s)
			m.fake.After = func(c hostfake.Call) error {
				if c.Writes() {
					return hostfake.Complaint(c, "killed")
				}
				return nil
			}
			batch := append([]plan.Change{repair}, add("203.0.113.7/32", time.Time{}), add("2001:db8::1/128", noon.Add(time.Hour)))
			results, _ := h.Apply(t.Context(), batch)
			if results[0].Err == nil {
				t.Fatal("a repair whose response was lost counts as done")
			}
			_, _ = h.Apply(t.Context(), batch) // again into the bad weather
			m.fake.After = nil
			do(t, h, batch...)
			wantSound(t, m, s)
			wantEntries(t, m, s, "203.0.113.7/32", "2001:db8::1/128+3600")
		})
	}
}

func TestWhatFailsTheWholeHostSaysTheNextStep(t *testing.T) {
	cases := []struct {
		name  string
		spec  observed.HostSpec
		spoil func(*hostfake.Firewall)
		is    error
		says  string
	}{
		{"no ipset", ipset, func(fw *hostfake.Firewall) { fw.Missing = []string{"ipset"} }, tool.ErrNotFound, "--host iptables"},
		{"no iptables", ipset, func(fw *hostfake.Firewall) { fw.Missing = []string{"iptables-save"} }, tool.ErrNotFound, "apt-get install iptables"},
		{"no iptables for rules", iptables, func(fw *hostfake.Firewall) { fw.Missing = []string{"iptables-restore"} }, tool.ErrNotFound, "apt-get install iptables"},
		{"no privilege", ipset, func(fw *hostfake.Firewall) {
			fw.Before = func(c hostfake.Call) error {
				return hostfake.Complaint(c, "ipset v7.17: Kernel error received: Operation not permitted")
			}
		}, tool.ErrNotPermitted, "CAP_NET_ADMIN"},
		{"no raw sockets", ipset, func(fw *hostfake.Firewall) {
			fw.Before = func(c hostfake.Call) error {
				if strings.HasPrefix(c.Program, "ip") && strings.HasSuffix(c.Program, "tables-restore") {
					return hostfake.Complaint(c, "iptables-restore v1.8.9 (nf_tables): Can't open socket to ipset.")
				}
				return nil
			}
		}, tool.ErrNotPermitted, "CAP_NET_RAW"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			m := fakeMachine()
			c.spoil(m.fake)
			batch := append([]plan.Change{repair}, adds("203.0.113.7/32")...)
			results, err := m.host(c.spec).Apply(t.Context(), batch)
			if !errors.Is(err, c.is) || !strings.Contains(err.Error(), c.says) {
				t.Fatalf("the error is %v, want %v that says %q", err, c.is, c.says)
			}
			for _, r := range results {
				if !errors.Is(r.Err, c.is) {
					t.Errorf("%s %s has the error %v", r.Change.Action, r.Change.Prefix, r.Err)
				}
			}
		})
	}
}

func TestWithoutIPv6TheRestGoesOn(t *testing.T) {
	for _, s := range []observed.HostSpec{ipset, iptables} {
		for name, lose := range map[string]func(*hostfake.Firewall){
			"kernel":  func(fw *hostfake.Firewall) { fw.NoIPv6 = true },
			"program": func(fw *hostfake.Firewall) { fw.Missing = []string{"ip6tables-save", "ip6tables-restore"} },
		} {
			t.Run(s.Backend+", "+name, func(t *testing.T) {
				m := fakeMachine()
				lose(m.fake)
				h := m.host(s)
				results, err := h.Apply(t.Context(), append([]plan.Change{repair, pin}, adds("203.0.113.7/32", "2001:db8::1/128")...))
				if err != nil || results[0].Err != nil || results[1].Err != nil || results[2].Err != nil || results[3].Err == nil {
					t.Fatalf("the results are %v, %v", results, err)
				}
				wantSound(t, m, s)
				host := m.read(t, s)
				if !host.NoIPv6 || len(host.Warnings) != 1 || !strings.Contains(host.Warnings[0], "IPv6 bans are not enforced") {
					t.Fatalf("the lack of IPv6 was read as %t with warnings %q", host.NoIPv6, host.Warnings)
				}
				do(t, h, takeDown)
			})
		}
	}
}

func TestAFirewallThatCannotBeReadIsNotEmpty(t *testing.T) {
	for _, program := range []string{"ipset", "iptables-save", "ip6tables-save"} {
		m := fakeMachine()
		do(t, m.host(ipset), repair)
		m.fake.Before = func(c hostfake.Call) error {
			if c.Program == program {
				return hostfake.Complaint(c, "Another app is currently holding the xtables lock")
			}
			return nil
		}
		host, err := observed.HostReader{Run: m.run, Spec: m.spec(ipset)}.Read(t.Context(), noon)
		if !errors.Is(err, tool.ErrBusy) {
			t.Errorf("%s failed, yet the firewall was read as %+v, %v", program, host, err)
		}
	}
}

func TestACancelledApplyReportsEveryChange(t *testing.T) {
	m := fakeMachine()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	results, err := m.host(ipset).Apply(ctx, append([]plan.Change{repair}, adds("203.0.113.7/32")...))
	if !errors.Is(err, context.Canceled) || len(results) != 2 || results[0].Err == nil || results[1].Err == nil {
		t.Fatalf("the results are %v, %v", results, err)
	}
}

func TestAnInvalidSpecReachesNoProgram(t *testing.T) {
	m := fakeMachine()
	results, err := m.host(observed.HostSpec{Chain: "x\n-F INPUT"}).Apply(t.Context(), []plan.Change{repair})
	if err == nil || results[0].Err == nil || len(m.fake.Calls()) > 0 {
		t.Fatalf("the chain's name was used: %v, %v, calls %v", results, err, m.fake.Calls())
	}
}
