package apply

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"reconciler/internal/observed"
)

// repair makes the sets, the chain and the jumps of both families right. The
// failure of one family does not keep the other from being repaired.
func (s setStore) repair(ctx context.Context) error {
	var errs []error
	for _, f := range observed.Families {
		table, err := s.reader.Table(ctx, f)
		if observed.CannotFilter(f, err) {
			continue // the reader warns of it
		}
		if err == nil {
			err = s.repairFamily(ctx, f, table)
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

func (s setStore) repairFamily(ctx context.Context, f observed.Family, table observed.Table) error {
	if err := s.repairSet(ctx, f, table); err != nil {
		return err
	}
	if err := s.repairTable(ctx, f, table, s.spec.SetRules(f, s.spec.SetName(f))); err != nil {
		return err
	}
	return s.destroySpare(ctx, f)
}

// repairSet comes before the chain, whose rule needs the set.
func (s setStore) repairSet(ctx context.Context, f observed.Family, table observed.Table) error {
	name, now := s.spec.SetName(f), s.Now()
	set, err := s.reader.Set(ctx, name, now)
	if err != nil {
		return err
	}
	if set.Exists && !set.Usable(f, s.spec) {
		return s.rebuild(ctx, f, set)
	}
	var text bytes.Buffer
	if !set.Exists {
		fmt.Fprintln(&text, s.spec.CreateSet(f, name))
	}
	spare, err := s.spareInUse(ctx, f, table)
	if err != nil {
		return err
	}
	text.Write(addLines(name, spare, now))
	for _, prefix := range set.Exempt {
		fmt.Fprintf(&text, "del %s %s\n", name, prefix)
	}
	// The iptables back end may have filled the chain before; its bans move
	// into the set before the chain is rewritten.
	text.Write(addLines(name, table.Entries(f, s.spec).Entries, now))
	if text.Len() == 0 {
		return nil
	}
	if err := s.ipset(ctx, text.Bytes()); err != nil {
		return fmt.Errorf("repairing the set %s: %w", name, err)
	}
	return nil
}

// spareInUse gives the bans of the spare set when our chain blocks by it: a
// rebuild was cut off, and they must not be let go.
func (s setStore) spareInUse(ctx context.Context, f observed.Family, table observed.Table) ([]observed.HostEntry, error) {
	spare := s.spec.TemporarySetName(f)
	if !table.Matches(s.spec.Chain, spare) {
		return nil, nil
	}
	set, err := s.reader.Set(ctx, spare, s.Now())
	return set.Entries, err
}

// addLines writes entries for `ipset restore`, without those that are over.
func addLines(set string, entries []observed.HostEntry, now time.Time) []byte {
	var b []byte
	for _, e := range entries {
		if (e.Until.IsZero() || now.Before(e.Until)) && e.Prefix.Bits() > 0 {
			b = setLine{set: set, prefix: e.Prefix, rest: timeout(e.Until, now)}.appendTo(b)
		}
	}
	return b
}
