package apply

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"time"

	"reconciler/internal/observed"
	"reconciler/internal/plan"
)

// ruleStore keeps the bans as rules of our chain, one each. A batch becomes
// one transaction for each family that rewrites the chain as a whole: it is
// short by its cap, and so a repair and the bans that follow it leave no gap.
type ruleStore struct{ *Host }

// ruleChain is what the chain of one family is to hold.
type ruleChain struct {
	family observed.Family
	table  observed.Table
	bans   map[netip.Prefix]time.Time
	doing  []int // changes that depend on this chain's transaction
	absent bool  // the kernel cannot filter this family
	failed error
}

func (s ruleStore) write(ctx context.Context, batch []plan.Change, errs []error) error {
	chains := make([]*ruleChain, 0, len(observed.Families))
	for _, f := range observed.Families {
		c, err := s.read(ctx, f)
		if whole(err) != nil {
			return err
		}
		c.failed = err
		chains = append(chains, c)
	}
	repair := s.fold(chains, batch, errs)
	for _, c := range chains {
		if c.failed == nil && !c.absent {
			c.failed = s.rewrite(ctx, c, repair)
		}
		if whole(c.failed) != nil {
			return c.failed
		}
		for _, i := range c.doing {
			errs[i] = errors.Join(errs[i], c.failed)
		}
	}
	return nil
}

// read gives the chain as it is, without bans that are over.
func (s ruleStore) read(ctx context.Context, f observed.Family) (*ruleChain, error) {
	c := &ruleChain{family: f, bans: map[netip.Prefix]time.Time{}}
	table, err := s.reader.Table(ctx, f)
	if observed.CannotFilter(f, err) {
		c.absent = true
		return c, nil
	}
	c.table = table
	now := s.Now()
	for _, e := range table.Entries(f, s.spec).Entries {
		if e.Until.IsZero() || now.Before(e.Until) {
			c.bans[e.Prefix] = e.Until
		}
	}
	return c, err
}

// fold carries the changes out in memory. It tells whether one of them is a
// repair, which depends on every chain.
func (s ruleStore) fold(chains []*ruleChain, batch []plan.Change, errs []error) (repair bool) {
	now := s.Now()
	for i, change := range batch {
		if change.Action == plan.Repair {
			repair = true
			for _, c := range chains {
				c.doing = append(c.doing, i)
			}
			continue
		}
		if errs[i] = valid(change); errs[i] != nil {
			continue
		}
		c := chains[slices.Index(observed.Families, observed.FamilyOf(change.Prefix))]
		if errs[i] = s.foldOne(c, chains, change, now); errs[i] == nil {
			c.doing = append(c.doing, i)
		}
	}
	return repair
}

func (s ruleStore) foldOne(c *ruleChain, chains []*ruleChain, change plan.Change, now time.Time) error {
	if gone(change, now) {
		delete(c.bans, change.Prefix)
		return nil
	}
	if c.absent {
		return fmt.Errorf("adding %s: this host cannot filter IPv6; load the kernel's ip6_tables or install ip6tables", change.Prefix)
	}
	held := 0
	for _, chain := range chains {
		held += len(chain.bans)
	}
	if _, there := c.bans[change.Prefix]; !there && held >= s.spec.MaxEntries {
		return fmt.Errorf("adding %s: %w (%d rules; --host ipset has no such limit)", change.Prefix, ErrHostFull, s.spec.MaxEntries)
	}
	c.bans[change.Prefix] = change.Until
	return nil
}

func (s ruleStore) rewrite(ctx context.Context, c *ruleChain, repair bool) error {
	var rules []string
	for _, prefix := range slices.SortedFunc(maps.Keys(c.bans), observed.Compare) {
		rules = append(rules, s.spec.EntryRules(observed.HostEntry{Prefix: prefix, Until: c.bans[prefix]})...)
	}
	if repair {
		return s.repairTable(ctx, c.family, c.table, rules)
	}
	if len(c.doing) == 0 || c.table.Holds(s.spec.Chain, rules) {
		return nil
	}
	return s.restoreTable(ctx, c.family, s.chainLines(rules))
}
