package apply

import (
	"context"
	"errors"
	"fmt"

	"reconciler/internal/observed"
	"reconciler/internal/tool"
)

// rebuild replaces a set of the wrong make by one of the right make that
// holds the same bans. The bans stay enforced throughout, and when a step
// fails the old set goes on enforcing them.
func (s setStore) rebuild(ctx context.Context, f observed.Family, old observed.IPSet) error {
	spare := s.spec.TemporarySetName(f)
	if err := s.destroySpare(ctx, f); err != nil && !errors.Is(err, tool.ErrSetInUse) {
		return err
	}
	text := []byte(s.spec.CreateSet(f, spare) + "\n")
	text = append(text, addLines(spare, ofFamily(old.Entries, f), s.Now())...)
	if err := s.ipset(ctx, text); err != nil {
		return fmt.Errorf("building the set %s anew as %s: %w", old.Name, spare, err)
	}
	if !old.SameType(f) {
		return s.detour(ctx, f, old)
	}
	// The swap exchanges what the two names stand for in one step; the rules
	// that use the old set then use the new one.
	if err := s.ipset(ctx, fmt.Appendf(nil, "swap %s %s\n", spare, old.Name)); err != nil {
		return fmt.Errorf("exchanging the set %s: %w", old.Name, err)
	}
	return nil
}

// detour replaces a set of another type, which cannot be swapped: the chain
// uses the spare set while the set of that name is made anew.
func (s setStore) detour(ctx context.Context, f observed.Family, old observed.IPSet) error {
	spare := s.spec.TemporarySetName(f)
	if err := s.restoreTable(ctx, f, s.chainLines(s.spec.SetRules(f, spare))); err != nil {
		return err
	}
	text := []byte("destroy " + old.Name + "\n" + s.spec.CreateSet(f, old.Name) + "\n")
	text = append(text, addLines(old.Name, ofFamily(old.Entries, f), s.Now())...)
	if err := s.ipset(ctx, text); err != nil {
		return fmt.Errorf("replacing the set %s, which is of type %s: %w", old.Name, old.Type, err)
	}
	return s.restoreTable(ctx, f, s.chainLines(s.spec.SetRules(f, old.Name)))
}

// ofFamily leaves out what a set of the family cannot hold.
func ofFamily(entries []observed.HostEntry, f observed.Family) []observed.HostEntry {
	var kept []observed.HostEntry
	for _, e := range entries {
		if observed.FamilyOf(e.Prefix) == f {
			kept = append(kept, e)
		}
	}
	return kept
}

// destroySpare removes the stand-in of a rebuild; none there is success.
func (h *Host) destroySpare(ctx context.Context, f observed.Family) error {
	spare := h.spec.TemporarySetName(f)
	if err := h.ipset(ctx, []byte("destroy "+spare+"\n")); err != nil {
		return fmt.Errorf("removing the spare set %s: %w", spare, err)
	}
	return nil
}
