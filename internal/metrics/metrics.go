// Package metrics counts and shows what the daemon does, in the text format of
// Prometheus, and answers whether it is alive and ready. Nothing is registered
// before New, so commands that need no metrics do not pay for them.
package metrics

import (
	"errors"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"reconciler/internal/apply"
	"reconciler/internal/controller"
	"reconciler/internal/plan"
)

// namespace begins the name of every metric of ours.
const namespace = "reconciler"

// Metrics is a controller.Observer that keeps the figures. It lives as long as
// the process: counters go on across reloads of the configuration.
type Metrics struct {
	registry *prometheus.Registry
	now      func() time.Time

	changes  *prometheus.CounterVec   // target, action, result
	calls    *prometheus.CounterVec   // operation, code
	cycles   *prometheus.HistogramVec // target
	enforced *prometheus.HistogramVec // target

	mu      sync.Mutex
	view    controller.View
	targets map[string]target
}

// target is how one target did in its latest cycle.
type target struct {
	withheld  int
	healthy   bool
	succeeded time.Time // zero: never
}

var _ controller.Observer = (*Metrics)(nil)

// New makes the metrics with a registry of their own. version is shown as a
// label of reconciler_build_info.
func New(version string, now func() time.Time) *Metrics {
	m := &Metrics{registry: prometheus.NewRegistry(), now: now, targets: map[string]target{}}
	m.changes = counter("changes_total", "Changes that were tried, by target (host or a Network ACL), action and result.", "target", "action", "result")
	m.calls = counter("api_calls_total", "Requests sent to EC2, each try of a retried one for itself, by operation and code (OK, an error code of EC2, Timeout or Error).", "operation", "code")
	// A cycle on the host takes milliseconds; one of an ACL up to 8 passes of
	// calls that may take 10 s each.
	m.cycles = histogram("cycle_seconds", "How long one cycle of a target took.",
		[]float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 120}, "target")
	m.enforced = histogram("enforce_seconds", "Time from the append of a line to the end of the cycle that carried it out, by target.",
		[]float64{.005, .01, .025, .05, .1, .25, .5, 1, 2, 5, 10, 30, 60, 120, 300, 900, 3600}, "target")
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Namespace: namespace, Name: "build_info",
		Help: "Always 1; the version is a label.", ConstLabels: prometheus.Labels{"version": version},
	})
	build.Set(1)
	m.registry.MustRegister(m.changes, m.calls, m.cycles, m.enforced, build, stateCollector{m},
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

func counter(name, help string, labels ...string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help}, labels)
}

func histogram(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
	return prometheus.NewHistogramVec(prometheus.HistogramOpts{Namespace: namespace, Name: name, Help: help, Buckets: buckets}, labels)
}

// Cycle takes in what a target did.
func (m *Metrics) Cycle(c controller.Cycle) {
	m.cycles.WithLabelValues(c.Target).Observe(c.Took.Seconds())
	for _, wait := range c.Waits {
		m.enforced.WithLabelValues(c.Target).Observe(wait.Seconds())
	}
	for _, o := range c.Outcomes {
		m.changes.WithLabelValues(c.Target, string(o.Action), resultOf(o)).Inc()
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	t := m.targets[c.Target]
	t.withheld, t.healthy = c.Withheld, c.Err == nil
	if t.healthy {
		t.succeeded = c.Ended
	}
	m.targets[c.Target] = t
}

func resultOf(o plan.Outcome) string {
	switch {
	case errors.Is(o.Err, apply.ErrNotTried):
		return "not_tried"
	case o.Err != nil:
		return "failed"
	}
	return "ok"
}

// View takes the latest state; the figures are made of it when they are asked for.
func (m *Metrics) View(v controller.View) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.view = v
}

// latest gives the state and the targets of this moment. Targets that are kept
// no longer are left out.
func (m *Metrics) latest() (controller.View, map[string]target) {
	m.mu.Lock()
	defer m.mu.Unlock()
	kept := map[string]target{}
	for name, t := range m.targets {
		if name == plan.HostTarget || name == discovery && !t.healthy || hasACL(m.view, name) {
			kept[name] = t
		}
	}
	return m.view, kept
}

// discovery is the target whose cycles look for ACLs; only failed ones are told.
const discovery = "discovery"

func hasACL(v controller.View, id string) bool {
	for _, configured := range v.Limits.ACLs {
		if configured == id {
			return true
		}
	}
	return v.Limits.Retired[id]
}
