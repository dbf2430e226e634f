package doctor

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"reconciler/internal/config"
	"reconciler/internal/controller"
	"reconciler/internal/observed"
	"reconciler/internal/plan"
)

// look observes everything once, for all checks that need the whole; nil when
// the state could not be opened. The error then says why.
func (e *examination) look() (*controller.Status, error) {
	if !e.looked {
		e.looked = true
		s, err := e.Status(e.ctx)
		if e.lookErr = err; !s.Time.IsZero() {
			e.status = &s
		}
	}
	return e.status, e.lookErr
}

// placement looks at each ACL: who stands before the window, who takes its
// slots, and what is left.
func (e *examination) placement() {
	if len(e.acls) == 0 {
		return
	}
	s, _ := e.look()
	if s == nil {
		return // the check of the bans says why
	}
	e.guarding(s)
	for _, acl := range s.State.ACLs {
		e.before(acl)
	}
	for _, id := range slices.Sorted(maps.Keys(s.Summary.NACL)) {
		for _, f := range observed.Families {
			e.slots(id, f, s.Summary.NACL[id][f], s.Shared(id))
		}
	}
}

// guarding tells of ACLs that stand before other hosts than this.
func (e *examination) guarding(s *controller.Status) {
	idle, believed := s.Guarding()
	for _, words := range idle {
		e.warn("edge", e.aws("ec2 describe-network-acls --query 'NetworkAcls[].[NetworkAclId,Associations[].SubnetId]'")+"; "+e.edit(), "%s", words)
	}
	if believed != "" {
		e.ok("edge", "%s", believed)
	}
}

// before finds allows inside or below the window: bans above them do nothing.
func (e *examination) before(acl observed.ACL) {
	free := true
	for _, rule := range acl.Entries {
		if rule.Allow && rule.Number < e.Config.Rules.Last && rule.Shape.Overlaps(e.Config.Shape) {
			free = false
			e.warn("rules before", narrower(e.Config.Rules, rule.Number, acl.ID),
				"rule %d of %s allows %s: a ban of an address in there with a higher number does not stop that", rule.Number, acl.ID, rule.Matches())
		}
	}
	if free {
		e.ok("rules before", "no allow of %s stands before the end of the window %d-%d", acl.ID, e.Config.Rules.First, e.Config.Rules.Last)
	}
}

// narrower shows the plan of a window that ends before the rule, or the ACL
// when there is no such window and the rule itself has to move.
func narrower(window observed.Window, rule int, id string) string {
	if rule <= window.First {
		return "reconciler acl --nacl " + id
	}
	return fmt.Sprintf("reconciler plan --rules %d-%d", window.First, rule-1)
}

func (e *examination) slots(id string, f observed.Family, s plan.ACLSummary, shared bool) {
	if s.Unclaimed > 0 {
		mend := "reconciler adopt " + id + " # if the host that made them is gone"
		if shared {
			mend = e.edit() + " # rules: another window than the other host's"
		}
		e.warn("unclaimed", mend, "%d %s entries of %s look like ours, and no record explains them; %s", s.Unclaimed, f, id, plan.Claim(id, shared))
	}
	if s.Shadowed > 0 {
		e.warn("shadowed", "reconciler acl --nacl "+id, "%d %s bans of %s are overruled by a lower-numbered allow; the host enforces them", s.Shadowed, f, id)
	}
	switch free := s.Capacity - s.Enforced; {
	case s.Capacity == 0:
		e.fail("slots", "reconciler acl --nacl "+id, "%s has no room for any %s ban", id, f)
	case free <= 0 && e.Config.Quota >= config.MaxQuota:
		e.ok("slots", "all %d %s slots of %s are taken, and AWS grants no more; the host enforces the rest", s.Capacity, f, id)
	case free <= 0:
		e.warn("slots", e.aws(fmt.Sprintf("service-quotas request-service-quota-increase --service-code vpc --quota-code L-2AEEBF1A --desired-value %d", config.MaxQuota))+"; then "+e.edit()+" # quota",
			"all %d %s slots of %s are taken; the host enforces the rest", s.Capacity, f, id)
	default:
		e.ok("slots", "%s has %d of %d %s slots free", id, free, s.Capacity, f)
	}
}

// bans looks at what is wanted and what is not enforced, and at the sources.
func (e *examination) bans() {
	s, err := e.look()
	if s == nil {
		e.fail("bans", "reconciler status", "the state cannot be read: %v", err)
		return
	}
	for _, source := range s.Sources {
		if source.Error != "" {
			e.fail("source", "reconciler status", "%s: %s", source.Path, source.Error)
		}
		if source.Skipped > 0 {
			e.warn("source", "reconciler status", "%d lines of %s were skipped because they could not be read", source.Skipped, source.Path)
		}
	}
	nowhere, active := 0, 0
	for _, b := range s.Where.Bans() {
		if active++; len(b.EnforcedBy) == 0 {
			nowhere++
		}
	}
	switch {
	case nowhere > 0:
		e.fail("bans", "reconciler status", "%d of %d bans are enforced nowhere", nowhere, active)
	case err != nil:
		e.warn("bans", "reconciler status", "%d of %d bans are enforced where it could be seen; not seen: %v", active, active, err)
	default:
		e.ok("bans", "%d of %d bans are enforced", active, active)
	}
	for _, j := range s.Stopped() {
		e.warn("fail2ban", j.Lift(), "%s", j)
	}
	for _, w := range s.Warnings {
		switch {
		case strings.HasPrefix(w, "paused"):
			e.warn("bans", "reconciler resume", "%s", w)
		case strings.Contains(w, "withheld"):
			e.warn("bans", "reconciler plan", "%s", w)
		}
	}
}
