package plan

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"pgregory.net/rapid"

	"reconciler/internal/desired"
	"reconciler/internal/observed"
)

// The pools are small, so that overlaps, covers and duplicates are common.
var (
	poolIPv4 = prefixes("203.0.113.0/24", "203.0.113.0/28", "203.0.113.0/30", "203.0.113.0/31", "203.0.113.0/32",
		"203.0.113.1/32", "203.0.113.2/32", "203.0.113.3/32", "203.0.113.5/32", "203.0.113.9/32", "198.51.100.7/32", "198.51.100.8/32")
	poolIPv6 = prefixes("2001:db8::/64", "2001:db8::/120", "2001:db8::/126", "2001:db8::/128", "2001:db8::1/128",
		"2001:db8::2/128", "2001:db8::5/128", "2001:db8:0:1::/64", "2001:db8:0:1::9/128")
	pool        = slices.Concat(poolIPv4, poolIPv6)
	poolForeign = slices.Concat(pool, prefixes("0.0.0.0/0", "::/0", "192.0.2.0/24"))
	shapes      = []observed.Shape{shapeAll, shapeSSH, {Protocol: observed.ProtocolTCP, Ports: observed.Ports{From: 20, To: 80}}, {Protocol: observed.ProtocolUDP}}
	lifts       = []desired.Reason{desired.Expired, desired.Unbanned, desired.Flushed}
	spans       = []time.Duration{time.Second, time.Minute, time.Hour, 90 * time.Minute, 24 * time.Hour, MaxTimeout, 40 * 24 * time.Hour}
)

var (
	shapeAll = observed.Shape{Protocol: observed.ProtocolAll}
	shapeSSH = observed.Shape{Protocol: observed.ProtocolTCP, Ports: observed.Ports{From: 22, To: 22}}
	start    = time.Date(2026, 9, 25, 12, 0, 0, 0, time.UTC)
)

func prefixes(texts ...string) []netip.Prefix {
	var out []netip.Prefix
	for _, text := range texts {
		out = append(out, netip.MustParsePrefix(text))
	}
	return out
}

// flip is true once in n times.
func flip(t *rapid.T, n int, label string) bool { return rapid.IntRange(0, n-1).Draw(t, label) == n-1 }

func drawEnd(t *rapid.T, now time.Time, label string) time.Time {
	switch i := rapid.IntRange(-2, len(spans)-1).Draw(t, label); i {
	case -2:
		return now // over at this very moment
	case -1:
		return time.Time{}
	default:
		return now.Add(spans[i])
	}
}

func drawSet(t *rapid.T, now time.Time) desired.Set {
	set := desired.Set{Lifted: map[netip.Prefix]desired.Reason{}, Paused: flip(t, 25, "paused")}
	chosen := rapid.SliceOfNDistinct(rapid.SampledFrom(pool), 0, len(pool), rapid.ID).Draw(t, "named prefixes")
	slices.SortFunc(chosen, netip.Prefix.Compare)
	for i, p := range chosen {
		if flip(t, 4, fmt.Sprintf("lifted %d", i)) {
			set.Lifted[p] = rapid.SampledFrom(lifts).Draw(t, "reason")
			continue
		}
		set.Bans = append(set.Bans, desired.Ban{Prefix: p, Until: drawEnd(t, now, "end"), Jails: []string{"sshd"}})
	}
	return set
}

func drawWindow(t *rapid.T, label string) observed.Window {
	first := rapid.IntRange(1, 6).Draw(t, label+" first")
	return observed.Window{First: first, Last: first + rapid.IntRange(0, 9).Draw(t, label+" length")}
}

func drawUsage(t *rapid.T, label string) observed.Usage {
	return observed.Usage{
		Window:     drawWindow(t, label+" window"),
		Shape:      rapid.SampledFrom(shapes).Draw(t, label+" shape"),
		IPv6Prefix: rapid.SampledFrom([]int{0, 0, 64, 120}).Draw(t, label+" IPv6 width"),
	}
}

func drawLimits(t *rapid.T, ids []string) Limits {
	u := drawUsage(t, "current")
	l := Limits{
		Window: u.Window, Shape: u.Shape, IPv6Prefix: u.IPv6Prefix,
		Quota: rapid.IntRange(2, 9).Draw(t, "quota"), ACLs: ids, HostMode: HostAll,
		Usages: map[string][]observed.Usage{}, Learned: map[string]map[observed.Family]int{}, Retired: map[string]bool{},
		Dedicated: flip(t, 10, "dedicated"), HookPin: flip(t, 2, "hook pin"), Force: flip(t, 8, "force"),
	}
	if flip(t, 2, "overflow") {
		l.HostMode = HostOverflow
	}
	if flip(t, 4, "ignore list") {
		l.Guard.Protected = []Protected{{Prefix: rapid.SampledFrom(pool).Draw(t, "ignored"), Rule: "--ignore"}}
	}
	if flip(t, 8, "least width") {
		l.Guard.MinIPv4, l.Guard.MinIPv6 = 28, 120
	}
	for _, id := range ids {
		if flip(t, 3, "older usage") {
			l.Usages[id] = append(l.Usages[id], drawUsage(t, "older"))
		}
		if flip(t, 6, "learned") {
			l.Learned[id] = map[observed.Family]int{observed.IPv4: rapid.IntRange(1, l.Quota).Draw(t, "learned quota")}
		}
	}
	return l
}

// drawACL fills an ACL with entries of ours, of others and of an older
// configuration. It may start over its quota.
func drawACL(t *rapid.T, id string, l Limits) *fakeACL {
	a := &fakeACL{id: id, entries: map[int]observed.Entry{}, quota: map[observed.Family]int{}}
	for i, f := range observed.Families {
		a.quota[f] = l.quota(id, f)
		n := observed.DefaultRule + i
		a.entries[n] = observed.Entry{Number: n, Prefix: []netip.Prefix{poolForeign[len(pool)], poolForeign[len(pool)+1]}[i], Shape: shapeAll}
	}
	for range rapid.IntRange(0, 8).Draw(t, "own entries") {
		u := rapid.SampledFrom(append(l.usages(id), l.Current())).Draw(t, "usage")
		p := rapid.SampledFrom(pool).Draw(t, "own prefix")
		n := rapid.IntRange(u.Window.First, u.Window.Last).Draw(t, "own number")
		a.entries[n] = observed.Entry{Number: n, Prefix: observed.Widen(p, u.IPv6Prefix), Shape: u.Shape}
	}
	for range rapid.IntRange(0, 3).Draw(t, "foreign entries") {
		n := rapid.IntRange(1, 20).Draw(t, "foreign number")
		a.entries[n] = observed.Entry{
			Number: n, Prefix: rapid.SampledFrom(poolForeign).Draw(t, "foreign prefix"),
			Allow: flip(t, 2, "allow"), Shape: rapid.SampledFrom(shapes).Draw(t, "foreign shape"),
		}
	}
	return a
}

func drawHost(t *rapid.T, now time.Time, l *Limits) *fakeHost {
	h := &fakeHost{ends: map[netip.Prefix]time.Time{}}
	h.Present = true
	h.Lingers = flip(t, 4, "lingers")
	h.NoIPv6 = flip(t, 20, "no IPv6")
	if flip(t, 4, "cap") {
		l.HostCap = rapid.IntRange(1, 6).Draw(t, "host cap")
	}
	if flip(t, 6, "defect") {
		h.Defects = []string{"the jump is missing"}
	}
	if flip(t, 6, "overruled") {
		h.Overruled = []observed.Opening{{Why: "rule 1 of INPUT accepts all"}}
		h.PinnedAt = now.Add(-time.Duration(rapid.IntRange(0, 20).Draw(t, "minutes since the pin")) * time.Minute)
	}
	for range rapid.IntRange(0, 10).Draw(t, "host entries") {
		if p := rapid.SampledFrom(pool).Draw(t, "host prefix"); !h.NoIPv6 || p.Addr().Is4() {
			h.ends[observed.Widen(p, l.IPv6Prefix)] = drawEnd(t, now, "host end")
		}
	}
	h.tick(now)
	return h
}

// liftCover puts a wide entry in every ACL that nobody wants any longer, though
// bans inside it go on. No wider ban covers them.
func liftCover(t *rapid.T, w *world) {
	wide := rapid.SampledFrom(prefixes("203.0.113.0/24", "203.0.113.0/28", "203.0.113.0/30")).Draw(t, "lifted cover")
	w.set.Bans = slices.DeleteFunc(w.set.Bans, func(b desired.Ban) bool { return observed.Contains(b.Prefix, wide) })
	w.set.Lifted[wide] = desired.Expired
	for _, a := range w.acls {
		n := rapid.IntRange(w.limits.Window.First, w.limits.Window.Last).Draw(t, "number of the cover")
		a.entries[n] = observed.Entry{Number: n, Prefix: wide, Shape: w.limits.Shape}
	}
}

func drawWorld(t *rapid.T) *world {
	w := &world{now: start, unread: map[string]bool{}, refused: map[string]map[netip.Prefix]string{}}
	ids := []string{"acl-1", "acl-2"}[:rapid.IntRange(0, 2).Draw(t, "ACLs")]
	w.set = drawSet(t, w.now)
	w.limits = drawLimits(t, ids)
	for _, id := range ids {
		w.acls = append(w.acls, drawACL(t, id, w.limits))
		w.unread[id] = flip(t, 12, "unread")
		if flip(t, 10, "refused") {
			w.refused[id] = map[netip.Prefix]string{rapid.SampledFrom(pool).Draw(t, "refused prefix"): "InvalidParameterValue"}
		}
	}
	if len(ids) > 0 && flip(t, 10, "retired") {
		last := len(ids) - 1
		w.limits.ACLs, w.limits.Retired[ids[last]] = ids[:last], true
	}
	if flip(t, 2, "lifted cover") {
		liftCover(t, w)
	}
	w.limits.NoHost = flip(t, 4, "no host")
	if !w.limits.NoHost {
		w.host = drawHost(t, w.now, &w.limits)
		w.blind = flip(t, 12, "blind host")
	}
	return w
}

// drawDoubts makes the outcome of some creates and deletes unknown. Of the
// creates some were carried out, though the picture does not show it yet.
func drawDoubts(t *rapid.T, w *world) {
	w.doubts, w.hidden = map[string]map[int]observed.Doubt{}, map[string]map[int]bool{}
	for _, a := range w.acls {
		w.doubts[a.id], w.hidden[a.id] = map[int]observed.Doubt{}, map[int]bool{}
		for range rapid.IntRange(0, 3).Draw(t, "doubts") {
			n := rapid.IntRange(w.limits.Window.First, w.limits.Window.Last).Draw(t, "doubtful number")
			if _, already := w.doubts[a.id][n]; !already {
				drawDoubt(t, w, a, n)
			}
		}
	}
}

func drawDoubt(t *rapid.T, w *world, a *fakeACL, n int) {
	if flip(t, 3, "delete in doubt") || len(w.set.Bans) == 0 {
		w.doubts[a.id][n] = observed.Doubt{Action: string(Delete)}
		return
	}
	ban := rapid.SampledFrom(w.set.Bans).Draw(t, "ban in doubt")
	c := Change{Action: Create, Rule: n, Prefix: observed.Widen(ban.Prefix, w.limits.IPv6Prefix), Shape: w.limits.Shape}
	e, there := a.entries[n]
	if there && w.owns(a.id, e) && observed.FamilyOf(e.Prefix) == observed.FamilyOf(c.Prefix) {
		w.doubts[a.id][n] = observed.Doubt{Action: string(Replace), Prefix: c.Prefix} // it did not come to pass, or not yet
		return
	}
	w.doubts[a.id][n] = observed.Doubt{Action: string(Create), Prefix: c.Prefix}
	if flip(t, 2, "carried out") && !there && a.create(c) == nil {
		w.hidden[a.id][n] = true
	}
}
