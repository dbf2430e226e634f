package plan

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"reconciler/internal/desired"
	"reconciler/internal/observed"
)

// held is one entry of ours and what is to become of it.
type held struct {
	observed.Entry
	ban    desired.Ban // the wanted ban it stands for, when wanted
	wanted bool
	stale  bool // not to stay as it is
	moving bool // wanted and effective, but in an old window or shape
	reason desired.Reason
	why    string
}

// aclPlanner works out the changes of one ACL. Its fields are filled in order:
// classify, judge, place.
type aclPlanner struct {
	acl    observed.ACL
	want   *Want
	limits Limits
	now    time.Time
	onHost func(netip.Prefix) bool // the host enforces this prefix, and will go on
	// allowGap lets an entry go although nothing else enforces a ban inside it.
	allowGap bool

	ours     []held
	others   []observed.Entry // foreign, unclaimed and default entries
	withheld []Change
	changes  map[Action][]Change
}

// ForACL gives the changes that one ACL needs: stale slots replaced in place,
// then new entries, then deletions, and the removals that have no reason.
// host may be nil when there is none.
func ForACL(want *Want, acl observed.ACL, host *observed.Host, limits Limits, now time.Time) (changes, withheld []Change) {
	p := aclPlanner{acl: acl, want: want, limits: limits, now: now}
	p.onHost = hostKeeps(host, limits, now, func(prefix netip.Prefix) bool {
		_, wanted := want.find(prefix, now)
		return wanted
	})
	changes, withheld = p.plan()
	if len(changes) == 0 && limits.NoHost {
		// Without a host a lifted entry cannot wait for ever for the bans inside
		// it. When there is no other way on, the first of them goes.
		p.allowGap = true
		changes, _ = p.plan()
		changes = changes[:min(len(changes), 1)]
	}
	return changes, withheld
}

// plan works on a copy, so that it can be called twice.
func (p aclPlanner) plan() (changes, withheld []Change) {
	p.changes = map[Action][]Change{}
	p.classify()
	p.judge()
	for _, family := range observed.Families {
		newPlacer(&p, family).place()
	}
	for _, action := range []Action{Replace, Create, Delete} {
		changes = append(changes, p.changes[action]...)
	}
	return changes, p.withheld
}

// classify parts our entries from all the others.
func (p *aclPlanner) classify() {
	records := p.records()
	p.ours, p.others = make([]held, 0, len(p.acl.Entries)), make([]observed.Entry, 0, len(p.acl.Entries))
	for _, e := range p.acl.Entries {
		if observed.OwnerOf(e, records) == observed.Ours {
			p.ours = append(p.ours, held{Entry: e})
		} else {
			p.others = append(p.others, e)
		}
	}
}

// records gives what decides about ownership.
func (p *aclPlanner) records() observed.Records {
	return observed.Records{Usages: p.limits.usages(p.acl.ID), Names: p.want.names, Dedicated: p.limits.Dedicated}
}

// judge decides for each entry of ours whether it stays, and if not, why.
func (p *aclPlanner) judge() {
	for i := range p.ours {
		p.judgeOne(&p.ours[i])
	}
	for i := range p.ours {
		if h := &p.ours[i]; h.wanted && !h.stale {
			p.judgeAgainstOthers(h)
		}
	}
}

// judgeOne looks at an entry alone: is its prefix wanted, and does it work?
func (p *aclPlanner) judgeOne(h *held) {
	h.ban, h.wanted = p.want.find(h.Prefix, p.now)
	if p.retired() {
		h.drop(desired.Config, "this ACL is configured no longer")
		return
	}
	if !h.wanted {
		p.judgeUnwanted(h)
		return
	}
	if allow, shadowed := p.acl.Shadow(h.Number, h.Prefix, h.Shape); shadowed {
		h.drop(desired.Shadowed, fmt.Sprintf("shadowed: rule %d allows %s before it", allow.Number, allow.Matches()))
		return
	}
	h.moving = !p.limits.Window.Contains(h.Number) || h.Shape != p.limits.Shape
}

func (p *aclPlanner) retired() bool { return p.limits.Retired[p.acl.ID] }

func (p *aclPlanner) judgeUnwanted(h *held) {
	reason, why, ok := p.want.reason(h.Prefix, p.now)
	if ok {
		h.drop(reason, why)
		return
	}
	if p.limits.Dedicated && !p.want.incomplete() {
		h.drop(desired.Adopted, "adopted: the ACL is dedicated to this tool and no record wants the entry")
		return
	}
	c := Change{
		Target: p.acl.ID, Action: Delete, Rule: h.Number, Old: h.Prefix,
		OldShape: h.Shape, Why: "withheld: " + why,
	}
	if p.limits.lets(c) {
		h.drop(desired.Forced, "no record explains it; removal confirmed")
		return
	}
	p.withheld = append(p.withheld, c)
}

func (h *held) drop(reason desired.Reason, why string) { h.stale, h.reason, h.why = true, reason, why }

// judgeAgainstOthers finds duplicates and covers: another effective entry that
// does this one's work.
func (p *aclPlanner) judgeAgainstOthers(h *held) {
	for i := range p.ours {
		o := &p.ours[i]
		switch {
		case !observed.Contains(o.Prefix, h.Prefix) || o.Number == h.Number || o.stale || !o.wanted || p.doubtful(o.Number):
		case o.Prefix == h.Prefix:
			if p.replaces(o, h) {
				h.drop(duplicateReason(h, o))
				return
			}
		case !o.moving && !desired.EndsBefore(o.ban.Until, h.ban.Until) && !p.want.incomplete():
			h.drop(desired.Covered, fmt.Sprintf("covered by %s in rule %d", o.Prefix, o.Number))
			return
		}
	}
	if e, ok := p.yields(h.Number, h.Prefix); ok {
		h.drop(desired.Covered, fmt.Sprintf("covered by the deny of %s in rule %d", e.Prefix, e.Number))
	}
}

// replaces says which of two entries of one prefix stays: the one that is as a
// new one would be, then the one in the window, then the lower number.
func (p *aclPlanner) replaces(o, h *held) bool {
	place := func(h *held) int {
		switch {
		case !h.moving:
			return 0
		case p.limits.Window.Contains(h.Number):
			return 1
		}
		return 2
	}
	traffic, common := intersect(h.Shape, p.limits.Shape)
	return (!common || o.Shape.Contains(traffic)) && cmp.Or(cmp.Compare(place(o), place(h)), cmp.Compare(o.Number, h.Number)) < 0
}

func duplicateReason(h, o *held) (desired.Reason, string) {
	if h.moving && !o.moving {
		return desired.Config, fmt.Sprintf("moved to rule %d after a change of window or shape", o.Number)
	}
	return desired.Duplicate, fmt.Sprintf("duplicate of rule %d", o.Number)
}

// refused says that the API rejects entries for the prefix.
func (p *aclPlanner) refused(prefix netip.Prefix) bool {
	_, refused := p.acl.Refused[prefix]
	return refused
}

// denied says that AWS denies us the action. Without replace a slot is emptied by
// one plan and filled by the next.
func (p *aclPlanner) denied(action Action) bool { return p.acl.Denied[string(action)] != "" }

func (p *aclPlanner) emit(c Change) {
	c.Target, c.Looked = p.acl.ID, p.acl.ReadAt
	p.changes[c.Action] = append(p.changes[c.Action], c)
}

// holds says that an entry of ours that is to stay as it is has exactly this prefix.
func (p *aclPlanner) holds(prefix netip.Prefix) bool {
	return slices.ContainsFunc(p.ours, func(h held) bool { return h.Prefix == prefix && h.wanted && !h.stale && !h.moving })
}
