package metrics

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"reconciler/internal/apply"
	"reconciler/internal/controller"
	"reconciler/internal/desired"
	"reconciler/internal/ec2sim"
	"reconciler/internal/observed"
	"reconciler/internal/plan"
)

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

const acl = "acl-0123456789abcdef0"

// clock is a time that a test sets.
type clock struct{ at time.Time }

func (c *clock) now() time.Time { return c.at }

// fullView is a state in which every gauge has something to show.
func fullView(at time.Time) controller.View {
	ban := func(p string, jails ...string) desired.Ban {
		return desired.Ban{Prefix: netip.MustParsePrefix(p), Until: at.Add(time.Hour), Jails: jails}
	}
	limits := plan.Limits{
		Window: observed.Window{First: 1, Last: 90}, Shape: observed.Shape{Protocol: observed.ProtocolAll},
		IPv6Prefix: 128, Quota: 20, ACLs: []string{acl}, HostMode: plan.HostAll, Guard: plan.Guard{MinIPv4: 16, MinIPv6: 32},
	}
	limits.Usages = map[string][]observed.Usage{acl: {limits.Current()}}
	set := desired.Set{Bans: []desired.Ban{
		ban("198.51.100.1/32", "sshd"), ban("198.51.100.2/32", "sshd", "recidive"),
		ban("198.51.100.3/32", "nginx"), ban("203.0.0.0/8", "typo"),
	}}
	entry := func(n int, p string, allow bool) observed.Entry {
		return observed.Entry{Number: n, Prefix: netip.MustParsePrefix(p), Allow: allow, Shape: limits.Shape}
	}
	state := observed.State{
		Host: &observed.Host{Present: true, ReadAt: at, Entries: []observed.HostEntry{
			{Prefix: netip.MustParsePrefix("198.51.100.1/32"), Until: at.Add(time.Hour)},
			{Prefix: netip.MustParsePrefix("198.51.100.2/32"), Until: at.Add(time.Hour)},
		}},
		ACLs: []observed.ACL{{ID: acl, ReadAt: at, Entries: []observed.Entry{
			entry(1, "198.51.100.1/32", false), entry(2, "192.0.2.9/32", false), entry(100, "0.0.0.0/0", true), entry(32767, "0.0.0.0/0", false),
		}}},
	}
	return controller.View{
		At: at, Want: plan.Prepare(set, limits), State: state, Limits: limits, Ready: true,
		Sources: []controller.Source{{Path: "/var/lib/reconciler/bans.jsonl", Bytes: 400, Lag: 7, Skipped: 2, Spooled: 3, Latest: at}},
	}
}

func full() *Metrics {
	m := New("v1.2.3", func() time.Time { return start })
	m.View(fullView(start))
	m.Cycle(controller.Cycle{
		Target: plan.HostTarget, Took: 3 * time.Millisecond, Ended: start, Waits: []time.Duration{20 * time.Millisecond},
		Outcomes: []plan.Outcome{{Change: plan.Change{Action: plan.Add}, Done: true}, {Change: plan.Change{Action: plan.Add}, Done: true}},
	})
	m.Cycle(controller.Cycle{Target: acl, Took: time.Second, Ended: start, Withheld: 2})
	m.Cycle(controller.Cycle{
		Target: acl, Took: time.Second, Ended: start.Add(time.Minute), Withheld: 4, Err: errors.New("no"),
		Outcomes: []plan.Outcome{
			{Change: plan.Change{Action: plan.Create}, Done: true, Err: apply.ErrQuota},
			{Change: plan.Change{Action: plan.Create}, Done: true, Err: apply.ErrNotTried},
		},
	})
	m.calls.WithLabelValues("DescribeNetworkAcls", "OK").Inc()
	return m
}

func TestTheFiguresSayWhatTheStateIs(t *testing.T) {
	m := full()
	want := `
# HELP reconciler_bans Active bans, by place: both (every Network ACL and the host), edge, host or nowhere.
# TYPE reconciler_bans gauge
reconciler_bans{place="both"} 1
reconciler_bans{place="edge"} 0
reconciler_bans{place="host"} 1
reconciler_bans{place="nowhere"} 1
# HELP reconciler_jail_bans Active bans by jail and place. A ban of two jails counts in each; past 100 jails the smallest are summed up as (other).
# TYPE reconciler_jail_bans gauge
reconciler_jail_bans{jail="nginx",place="nowhere"} 1
reconciler_jail_bans{jail="recidive",place="host"} 1
reconciler_jail_bans{jail="sshd",place="both"} 1
reconciler_jail_bans{jail="sshd",place="host"} 1
# HELP reconciler_refused_bans Bans that are refused because they overlap a protected address or are too broad.
# TYPE reconciler_refused_bans gauge
reconciler_refused_bans 1
# HELP reconciler_acl_slots Slots of a Network ACL that bans may take, by family and state (used, free).
# TYPE reconciler_acl_slots gauge
reconciler_acl_slots{acl="acl-0123456789abcdef0",family="ipv4",state="free"} 16
reconciler_acl_slots{acl="acl-0123456789abcdef0",family="ipv4",state="used"} 1
reconciler_acl_slots{acl="acl-0123456789abcdef0",family="ipv6",state="free"} 20
reconciler_acl_slots{acl="acl-0123456789abcdef0",family="ipv6",state="used"} 0
# HELP reconciler_acl_unclaimed_entries Entries of our shape in our window that no record explains.
# TYPE reconciler_acl_unclaimed_entries gauge
reconciler_acl_unclaimed_entries{acl="acl-0123456789abcdef0",family="ipv4"} 1
reconciler_acl_unclaimed_entries{acl="acl-0123456789abcdef0",family="ipv6"} 0
# HELP reconciler_changes_total Changes that were tried, by target (host or a Network ACL), action and result.
# TYPE reconciler_changes_total counter
reconciler_changes_total{action="add",result="ok",target="host"} 2
reconciler_changes_total{action="create",result="failed",target="acl-0123456789abcdef0"} 1
reconciler_changes_total{action="create",result="not_tried",target="acl-0123456789abcdef0"} 1
# HELP reconciler_withheld_removals Removals that no record explains and that wait for a confirm.
# TYPE reconciler_withheld_removals gauge
reconciler_withheld_removals{target="acl-0123456789abcdef0"} 4
reconciler_withheld_removals{target="host"} 0
# HELP reconciler_target_healthy 1 when the latest cycle of the target succeeded.
# TYPE reconciler_target_healthy gauge
reconciler_target_healthy{target="acl-0123456789abcdef0"} 0
reconciler_target_healthy{target="host"} 1
# HELP reconciler_last_success_timestamp_seconds When a cycle of the target last succeeded, in Unix seconds.
# TYPE reconciler_last_success_timestamp_seconds gauge
reconciler_last_success_timestamp_seconds{target="acl-0123456789abcdef0"} 1.7723664e+09
reconciler_last_success_timestamp_seconds{target="host"} 1.7723664e+09
`
	names := []string{
		"reconciler_bans", "reconciler_jail_bans", "reconciler_refused_bans", "reconciler_acl_slots",
		"reconciler_acl_unclaimed_entries", "reconciler_changes_total", "reconciler_withheld_removals",
		"reconciler_target_healthy", "reconciler_last_success_timestamp_seconds",
	}
	if err := testutil.GatherAndCompare(m.registry, strings.NewReader(want), names...); err != nil {
		t.Error(err)
	}
}

func TestTheMetricsFollowTheirNamingRules(t *testing.T) {
	m := full()
	problems, err := testutil.GatherAndLint(m.registry)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		if strings.HasPrefix(p.Metric, namespace) {
			t.Errorf("%s: %s", p.Metric, p.Text)
		}
	}
}

func TestJailsPastAHundredShareOneLabel(t *testing.T) {
	jails := map[plan.JailPlace]int{}
	for i := range 150 {
		jails[plan.JailPlace{Jail: strings.Repeat("j", i+1), Place: plan.OnHost}] = i + 1
	}
	named := largest(jails)
	if len(named) != maxJails || named[strings.Repeat("j", 50)] || !named[strings.Repeat("j", 51)] {
		t.Errorf("%d jails have a label of their own, want the %d with the most bans", len(named), maxJails)
	}
}

func TestATargetThatIsKeptNoLongerIsNotShown(t *testing.T) {
	m := full()
	v := fullView(start)
	v.Limits.ACLs = nil
	m.View(v)
	if _, targets := m.latest(); len(targets) != 1 {
		t.Errorf("targets are %v, want the host alone", targets)
	}
}

func TestEveryTryOfACallIsCountedWithItsCode(t *testing.T) {
	sim := ec2sim.New(ec2sim.Options{})
	id := sim.Bastion()
	m := New("test", time.Now)
	api := m.EC2(ec2.New(sim.LocalClient().Options(), func(o *ec2.Options) {
		o.Retryer = retry.NewStandard(func(o *retry.StandardOptions) {
			o.Backoff = retry.BackoffDelayerFunc(func(int, error) (time.Duration, error) { return 0, nil })
		})
	}))
	if _, err := observed.ReadACL(t.Context(), api, id, start); err != nil {
		t.Fatal(err)
	}
	sim.Inject(ec2sim.Fault{Kind: ec2sim.Throttle, Count: 2})
	back := apply.NACL{API: api, ID: id}
	change := plan.Change{Target: id, Action: plan.Create, Rule: 1, Prefix: netip.MustParsePrefix("198.51.100.1/32"), Shape: observed.Shape{Protocol: observed.ProtocolAll}}
	if _, err := back.Apply(t.Context(), []plan.Change{change}); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		operation, code string
		want            float64
	}{
		{"DescribeNetworkAcls", "OK", 1}, {"CreateNetworkAclEntry", "OK", 1}, {"CreateNetworkAclEntry", "RequestLimitExceeded", 2},
	} {
		if got := testutil.ToFloat64(m.calls.WithLabelValues(c.operation, c.code)); got != c.want {
			t.Errorf("%s with code %s was counted %v times, want %v", c.operation, c.code, got, c.want)
		}
	}
}

func TestHealthAndReadinessSayWhatIsWrong(t *testing.T) {
	ask := func(m *Metrics, path string) (int, string) {
		w := httptest.NewRecorder()
		m.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		return w.Code, w.Body.String()
	}
	expect := func(m *Metrics, path string, code int, words string) {
		t.Helper()
		if got, body := ask(m, path); got != code || !strings.Contains(body, words) {
			t.Errorf("%s answers %d %q, want %d with %q", path, got, body, code, words)
		}
	}
	c := &clock{at: start}
	m := New("test", c.now)
	expect(m, "/healthz", 503, "not started")
	m.View(controller.View{At: start})
	expect(m, "/healthz", 200, "ok")
	expect(m, "/readyz", 503, "first order")
	m.View(controller.View{At: start, Ready: true})
	expect(m, "/readyz", 200, "ok")
	m.Cycle(controller.Cycle{Target: plan.HostTarget, Err: errors.New("iptables: no")})
	expect(m, "/readyz", 503, "firewall")
	m.Cycle(controller.Cycle{Target: plan.HostTarget})
	m.Cycle(controller.Cycle{Target: acl, Err: errors.New("throttled")})
	expect(m, "/readyz", 200, "ok")
	c.at = start.Add(stalled + time.Second)
	expect(m, "/healthz", 503, "not turned for 31s")
	expect(m, "/readyz", 503, "not turned")
	expect(m, "/elsewhere", 404, "")
}

func TestAConfigurationThatIsNotInForceIsShown(t *testing.T) {
	m := New("v1.2.3", func() time.Time { return start })
	for doubt, want := range map[bool]float64{false: 1, true: 0} {
		m.View(controller.View{At: start, Doubt: doubt})
		families, err := m.registry.Gather()
		if err != nil {
			t.Fatal(err)
		}
		found := false
		for _, f := range families {
			if f.GetName() != "reconciler_configuration_good" {
				continue
			}
			found = true
			if got := f.GetMetric()[0].GetGauge().GetValue(); got != want {
				t.Errorf("with doubt %v it is %v, want %v", doubt, got, want)
			}
		}
		if !found {
			t.Error("nothing tells whether the configuration is in force")
		}
	}
}
