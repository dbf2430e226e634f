package apply_test

import (
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"reconciler/internal/apply"
	"reconciler/internal/desired"
	"reconciler/internal/hostfake"
	"reconciler/internal/observed"
	"reconciler/internal/plan"
	"reconciler/internal/testenv"
	"reconciler/internal/tool"
)

func TestMain(m *testing.M) { testenv.Main(m) }

// machine is a host whose firewall a test works on: the fake, or the kernel of
// this machine inside a namespace, through one variant of iptables.
type machine struct {
	variant  string
	run      tool.Runner
	now      func() time.Time
	fake     *hostfake.Firewall // nil: the kernel
	somebody func(stdin, program string, args ...string)
}

// onEveryMachine runs a test on the fake and on the kernel, so that the fake
// is held to what the kernel does.
func onEveryMachine(t *testing.T, test func(t *testing.T, m *machine)) {
	t.Run("fake", func(t *testing.T) { test(t, fakeMachine()) })
	for _, variant := range []string{"nft", "legacy"} {
		t.Run(variant, func(t *testing.T) { test(t, kernelMachine(t, variant)) })
	}
}

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func fakeMachine() *machine {
	fw := hostfake.New()
	now := noon
	m := &machine{run: fw, fake: fw, somebody: fw.Somebody, now: func() time.Time { return now }}
	fw.Now = m.now
	return m
}

func kernelMachine(t *testing.T, variant string) *machine {
	t.Helper()
	testenv.Need(t, "ipset", "nft", "iptables-"+variant+"-restore", "ip6tables-"+variant+"-restore")
	testenv.CleanFirewall(t)
	t.Cleanup(func() { testenv.CleanFirewall(t) })
	return &machine{
		variant: variant, run: tool.Exec{}, now: time.Now,
		somebody: func(stdin, program string, args ...string) { testenv.Run(t, stdin, program, args...) },
	}
}

// spec completes a spec for the machine.
func (m *machine) spec(s observed.HostSpec) observed.HostSpec {
	s.Variant = m.variant
	s = s.WithDefaults()
	return s
}

func (m *machine) host(s observed.HostSpec) *apply.Host {
	h := apply.NewHost(m.run, m.spec(s))
	h.Now = m.now
	return h
}

func (m *machine) read(t testing.TB, s observed.HostSpec) observed.Host {
	t.Helper()
	host, err := observed.HostReader{Run: m.run, Spec: m.spec(s)}.Read(t.Context(), m.now())
	if err != nil {
		t.Fatalf("reading the firewall: %v", err)
	}
	return host
}

// tables lets somebody else run lines on the filter tables of both families.
func (m *machine) tables(lines ...string) {
	for _, f := range observed.Families {
		m.table(f, lines...)
	}
}

func (m *machine) table(f observed.Family, lines ...string) {
	text := "*filter\n" + strings.Join(lines, "\n") + "\nCOMMIT\n"
	m.somebody(text, observed.HostSpec{Variant: m.variant}.Program(f, "restore"), "--noflush", "-w", "5")
}

// sets lets somebody else run lines of ipset.
func (m *machine) sets(lines ...string) {
	m.somebody(strings.Join(lines, "\n")+"\n", "ipset", "-exist", "restore")
}

var changing = regexp.MustCompile(`(?m)^#.*\n|\[\d+:\d+\]`)

// dump is both filter tables without dates and counters.
func (m *machine) dump(t testing.TB) string {
	t.Helper()
	var all strings.Builder
	for _, f := range observed.Families {
		out, err := m.run.Run(t.Context(), nil, observed.HostSpec{Variant: m.variant}.Program(f, "save"), "-t", "filter")
		if err != nil {
			t.Fatalf("dumping the firewall: %v", err)
		}
		all.WriteString(changing.ReplaceAllString(string(out), ""))
	}
	return all.String()
}

// do applies a batch of which every change must succeed.
func do(t testing.TB, h *apply.Host, batch ...plan.Change) {
	t.Helper()
	results, err := h.Apply(t.Context(), batch)
	if err != nil {
		t.Fatalf("applying %d changes: %v", len(batch), err)
	}
	for i, r := range results {
		if r.Err != nil {
			t.Fatalf("change %d, %s %s: %v", i, r.Change.Action, r.Change.Prefix, r.Err)
		}
	}
}

var (
	repair   = plan.Change{Target: plan.HostTarget, Action: plan.Repair}
	pin      = plan.Change{Target: plan.HostTarget, Action: plan.Pin}
	takeDown = plan.Change{Target: plan.HostTarget, Action: plan.Remove, Reason: desired.Paused}
)

func add(prefix string, until time.Time) plan.Change { return entry(plan.Add, prefix, until) }

func remove(prefix string) plan.Change { return entry(plan.Remove, prefix, time.Time{}) }

func entry(action plan.Action, prefix string, until time.Time) plan.Change {
	return plan.Change{Target: plan.HostTarget, Action: action, Prefix: netip.MustParsePrefix(prefix), Until: until}
}

// adds gives one permanent ban each.
func adds(prefixes ...string) []plan.Change {
	var batch []plan.Change
	for _, p := range prefixes {
		batch = append(batch, add(p, time.Time{}))
	}
	return batch
}

// wantEntries checks what the host holds, as "prefix" or "prefix+seconds". The
// kernel tells whole seconds, and the test takes some time itself.
func wantEntries(t testing.TB, m *machine, s observed.HostSpec, want ...string) {
	t.Helper()
	host := m.read(t, s)
	var got []string
	for _, e := range host.Entries {
		got = append(got, describe(e, want, m.now()))
	}
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Fatalf("the host holds %v, want %v", got, want)
	}
}

const tolerance = 30 * time.Second

func describe(e observed.HostEntry, want []string, now time.Time) string {
	if e.Until.IsZero() {
		return e.Prefix.String()
	}
	rest := e.Until.Sub(now)
	for _, w := range want {
		prefix, seconds, timed := strings.Cut(w, "+")
		expected, err := time.ParseDuration(seconds + "s")
		if timed && err == nil && prefix == e.Prefix.String() && (rest-expected).Abs() <= tolerance {
			return w
		}
	}
	return fmt.Sprintf("%s+%d", e.Prefix, rest/time.Second)
}

func wantSound(t testing.TB, m *machine, s observed.HostSpec) {
	t.Helper()
	host := m.read(t, s)
	if len(host.Defects) > 0 || len(host.Overruled) > 0 || !host.Present {
		t.Fatalf("the firewall is not sound: present %t, defects %q, overruled %v", host.Present, host.Defects, host.Overruled)
	}
}
