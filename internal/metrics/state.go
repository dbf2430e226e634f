package metrics

import (
	"cmp"
	"maps"
	"slices"

	"github.com/prometheus/client_golang/prometheus"

	"reconciler/internal/controller"
	"reconciler/internal/observed"
	"reconciler/internal/plan"
)

// stateCollector makes the gauges out of the latest view when they are asked
// for, so that the loop pays nothing for them.
type stateCollector struct{ m *Metrics }

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(prometheus.BuildFQName(namespace, "", name), help, labels, nil)
}

// descs are the gauges (and, named _total, counters) of the state.
type descs struct {
	bans, jailBans, refused, paused, ready, configured                     *prometheus.Desc
	slots, foreign, unclaimed, shadowed, hostEntries, withheld             *prometheus.Desc
	healthy, succeeded                                                     *prometheus.Desc
	sourceUp, sourceBytes, sourceLag, sourceSpooled, sourceLast, sourceBad *prometheus.Desc
}

// stateDescs is made on first use: nothing is registered at the start of a
// program that shows no metrics.
func stateDescs() descs {
	return descs{
		bans:       desc("bans", "Active bans, by place: both (every Network ACL and the host), edge, host or nowhere.", "place"),
		jailBans:   desc("jail_bans", "Active bans by jail and place. A ban of two jails counts in each; past 100 jails the smallest are summed up as (other).", "jail", "place"),
		refused:    desc("refused_bans", "Bans that are refused because they overlap a protected address or are too broad."),
		paused:     desc("paused", "1 while everything is lifted on request."),
		ready:      desc("ready", "1 once the first order has reached the host."),
		configured: desc("configuration_good", "1 when the configuration that was asked for is in force, 0 when it cannot be used and the last good one is."),
		slots:      desc("acl_slots", "Slots of a Network ACL that bans may take, by family and state (used, free).", "acl", "family", "state"),
		foreign:    desc("acl_foreign_entries", "Inbound entries that somebody else made, the default deny left out.", "acl", "family"),
		unclaimed:  desc("acl_unclaimed_entries", "Entries of our shape in our window that no record explains.", "acl", "family"),
		shadowed:   desc("acl_shadowed_entries", "Entries of ours that a lower-numbered allow overrules.", "acl", "family"),

		hostEntries:   desc("host_entries", "Wanted bans that the host's firewall blocks."),
		withheld:      desc("withheld_removals", "Removals that no record explains and that wait for a confirm.", "target"),
		healthy:       desc("target_healthy", "1 when the latest cycle of the target succeeded.", "target"),
		succeeded:     desc("last_success_timestamp_seconds", "When a cycle of the target last succeeded, in Unix seconds.", "target"),
		sourceUp:      desc("source_up", "1 when the log could be read.", "source"),
		sourceBytes:   desc("source_bytes", "Size of the log in bytes.", "source"),
		sourceLag:     desc("source_lag_bytes", "Bytes of the log that are not taken in yet.", "source"),
		sourceSpooled: desc("source_spooled_bytes", "Bytes of records that wait in the spool.", "source"),
		sourceLast:    desc("source_last_record_timestamp_seconds", "Time of the newest record, in Unix seconds.", "source"),
		sourceBad:     desc("source_skipped_lines_total", "Bad lines that were skipped since the state was begun.", "source"),
	}
}

// Describe sends nothing: the collector is unchecked, since its metrics depend
// on what there is.
func (stateCollector) Describe(chan<- *prometheus.Desc) {}

// Collect makes the figures of this moment.
func (s stateCollector) Collect(out chan<- prometheus.Metric) {
	view, targets := s.m.latest()
	e := emitter{out: out, descs: stateDescs()}
	e.gauge(e.ready, truth(view.Ready))
	e.gauge(e.configured, truth(!view.Doubt))
	for name, t := range targets {
		e.target(name, t)
	}
	for _, source := range view.Sources {
		e.source(source)
	}
	if view.Want == nil {
		return
	}
	e.gauge(e.refused, float64(len(view.Want.Refused())))
	e.gauge(e.paused, truth(view.Want.Set().Paused))
	now := s.m.now()
	e.tally(plan.Locate(view.Want, view.State, view.Limits, now))
	e.summary(plan.Summarise(view.Want, view.State, view.Limits, now))
}

type emitter struct {
	descs
	out chan<- prometheus.Metric
}

func (e emitter) gauge(d *prometheus.Desc, value float64, labels ...string) {
	e.out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
}

func truth(is bool) float64 {
	if is {
		return 1
	}
	return 0
}

func (e emitter) target(name string, t target) {
	e.gauge(e.healthy, truth(t.healthy), name)
	e.gauge(e.withheld, float64(t.withheld), name)
	if !t.succeeded.IsZero() {
		e.gauge(e.succeeded, seconds(t.succeeded), name)
	}
}

func (e emitter) source(s controller.Source) {
	e.gauge(e.sourceUp, truth(s.Error == ""), s.Path)
	e.gauge(e.sourceBytes, float64(s.Bytes), s.Path)
	e.gauge(e.sourceLag, float64(s.Lag), s.Path)
	e.gauge(e.sourceSpooled, float64(s.Spooled), s.Path)
	if !s.Latest.IsZero() {
		e.gauge(e.sourceLast, seconds(s.Latest), s.Path)
	}
	e.out <- prometheus.MustNewConstMetric(e.sourceBad, prometheus.CounterValue, float64(s.Skipped), s.Path)
}

func (e emitter) summary(s plan.Summary) {
	e.gauge(e.hostEntries, float64(s.Host.Enforced))
	for id, families := range s.NACL {
		for _, f := range observed.Families {
			a, family := families[f], string(f)
			e.gauge(e.slots, float64(a.Enforced), id, family, "used")
			e.gauge(e.slots, float64(max(a.Capacity-a.Enforced, 0)), id, family, "free")
			e.gauge(e.foreign, float64(a.Foreign), id, family)
			e.gauge(e.unclaimed, float64(a.Unclaimed), id, family)
			e.gauge(e.shadowed, float64(a.Shadowed), id, family)
		}
	}
}

// maxJails bounds the labels: whoever may append to the log names the jails.
// otherJails has a form that no jail can have.
const (
	maxJails   = 100
	otherJails = "(other)"
)

func (e emitter) tally(at plan.Whereabouts) {
	all, jails := at.Tally()
	for _, place := range plan.Places {
		e.gauge(e.bans, float64(all[place]), string(place))
	}
	named := largest(jails)
	sums := map[plan.JailPlace]int{}
	for key, n := range jails {
		if !named[key.Jail] {
			key.Jail = otherJails
		}
		sums[key] += n
	}
	for key, n := range sums {
		e.gauge(e.jailBans, float64(n), key.Jail, string(key.Place))
	}
}

// largest gives the jails that get a label of their own.
func largest(jails map[plan.JailPlace]int) map[string]bool {
	sizes := map[string]int{}
	for key, n := range jails {
		sizes[key.Jail] += n
	}
	names := slices.SortedFunc(maps.Keys(sizes), func(a, b string) int {
		return cmp.Or(sizes[b]-sizes[a], cmp.Compare(a, b))
	})
	out := map[string]bool{}
	for _, name := range names[:min(len(names), maxJails)] {
		out[name] = true
	}
	return out
}
