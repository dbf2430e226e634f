package plan

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"reconciler/internal/desired"
	"reconciler/internal/observed"
)

// world is a desired set and the targets that it meets.
type world struct {
	set    desired.Set
	limits Limits
	now    time.Time
	acls   []*fakeACL // all that exist, sorted by ID
	unread map[string]bool
	// refused are the bans that the API of an ACL calls malformed.
	refused map[string]map[netip.Prefix]string
	host    *fakeHost // nil: --host none
	blind   bool      // the host exists and cannot be read
	doubts  map[string]map[int]observed.Doubt
	hidden  map[string]map[int]bool // entries that a read does not show yet
}

func (w *world) clone() *world {
	c := *w
	c.acls = nil
	for _, a := range w.acls {
		c.acls = append(c.acls, a.clone())
	}
	if w.host != nil {
		c.host = w.host.clone()
	}
	return &c
}

func (w *world) acl(id string) *fakeACL {
	for _, a := range w.acls {
		if a.id == id {
			return a
		}
	}
	return nil
}

// observe gives what could be read.
func (w *world) observe() observed.State {
	var have observed.State
	for _, a := range w.acls {
		if !w.unread[a.id] {
			acl := a.observe()
			acl.Doubts, acl.Refused = w.doubts[a.id], w.refused[a.id]
			acl.Entries = slices.DeleteFunc(acl.Entries, func(e observed.Entry) bool { return w.hidden[a.id][e.Number] })
			have.ACLs = append(have.ACLs, acl)
		}
	}
	if w.host != nil && !w.blind {
		have.Host = w.host.observe()
	}
	return have
}

func (w *world) apply(c Change) error {
	if c.Target == HostTarget {
		return w.host.apply(c, w.now)
	}
	return w.acl(c.Target).apply(c)
}

// String shows a world in a failing property.
func (w *world) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "world: paused %t, lifted %v, limits %+v, doubts %v, hidden %v", w.set.Paused, w.set.Lifted, w.limits, w.doubts, w.hidden)
	fmt.Fprintf(&b, "\n  refused %v", w.refused)
	for _, ban := range w.set.Bans {
		fmt.Fprintf(&b, "\n  ban %s until %s", ban.Prefix, ends(ban.Until))
	}
	for _, a := range w.acls {
		fmt.Fprintf(&b, "\n  %s, unread %t", a.id, w.unread[a.id])
		for _, e := range a.observe().Entries {
			fmt.Fprintf(&b, "\n    %d %s %v allow %t ours %t", e.Number, e.Prefix, e.Shape, e.Allow, w.owns(a.id, e))
		}
	}
	if w.host != nil {
		fmt.Fprintf(&b, "\n  host, blind %t, defects %v, overruled %v, lingers %t, no IPv6 %t", w.blind, w.host.Defects, w.host.Overruled, w.host.Lingers, w.host.NoIPv6)
		for _, e := range w.host.observe().Entries {
			fmt.Fprintf(&b, "\n    %s until %s", e.Prefix, ends(e.Until))
		}
	}
	return b.String()
}

func ends(at time.Time) string {
	if at.IsZero() {
		return "never"
	}
	return "start+" + at.Sub(start).String()
}
