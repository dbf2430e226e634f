package apply

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"reconciler/internal/observed"
	"reconciler/internal/tool"
)

// lockSeconds is how long iptables-legacy waits for the lock that other
// programs take for one change.
const lockSeconds = "5"

// restoreTable runs lines in one transaction on the filter table of a family:
// all of them or none take effect. Chains that no line names stay as they are.
func (h *Host) restoreTable(ctx context.Context, f observed.Family, lines []string) error {
	if len(lines) == 0 {
		return nil
	}
	text := "*filter\n" + strings.Join(lines, "\n") + "\nCOMMIT\n"
	program := h.spec.Program(f, "restore")
	_, err := h.run.Run(ctx, []byte(text), program, "--noflush", "-w", lockSeconds)
	if err != nil {
		return fmt.Errorf("writing the chain %s: %w", h.spec.Chain, err)
	}
	return nil
}

// chainLines makes our chain hold these rules and no others; a ":chain" line
// creates it, or empties it within the transaction.
func (h *Host) chainLines(rules []string) []string {
	lines := []string{":" + h.spec.Chain + " - [0:0]"}
	for _, rule := range rules {
		lines = append(lines, "-A "+h.spec.Chain+" "+rule)
	}
	return lines
}

// repairTable makes chain and jumps right in one transaction, and writes
// nothing when they are.
func (h *Host) repairTable(ctx context.Context, f observed.Family, table observed.Table, rules []string) error {
	var lines []string
	if !table.Holds(h.spec.Chain, rules) {
		lines = h.chainLines(rules)
	}
	err := h.restoreTable(ctx, f, append(lines, h.jumpLines(table)...))
	if err == nil && !table.HasOwn(h.spec.Chain) { // it may have been the other variant's until now
		err = h.takeDownElsewhere(ctx, f, table)
	}
	return err
}

// jumpLines gives each hook exactly one jump. One that is missing goes to the
// top; one that is there stays where it is, and its repeats below go.
func (h *Host) jumpLines(table observed.Table) []string {
	var lines []string
	for _, hook := range h.spec.Hooks {
		if !table.Has(hook) {
			continue
		}
		switch at := table.Jumps(hook, h.spec.Chain); len(at) {
		case 0:
			lines = append(lines, h.insertJump(hook, 1))
		case 1:
		default:
			lines = append(lines, h.deleteJumps(hook, len(at))...)
			lines = append(lines, h.insertJump(hook, at[0]))
		}
	}
	for _, name := range table.Stray(h.spec) {
		lines = append(lines, h.deleteJumps(name, len(table.Jumps(name, h.spec.Chain)))...)
	}
	return lines
}

func (h *Host) insertJump(hook string, position int) string {
	return fmt.Sprintf("-I %s %d %s", hook, position, h.spec.Jump())
}

// deleteJumps deletes by content, never by number: another program may have
// changed the numbers since we looked.
func (h *Host) deleteJumps(hook string, count int) []string {
	lines := make([]string, count)
	for i := range lines {
		lines[i] = "-D " + hook + " " + h.spec.Jump()
	}
	return lines
}

// pin moves the jumps to the top of their hooks; old and new place change in
// one transaction. Whether that is called for the plan has decided.
func (h *Host) pin(ctx context.Context) error {
	var errs []error
	for _, f := range observed.Families {
		table, err := h.reader.Table(ctx, f)
		if observed.CannotFilter(f, err) {
			continue
		}
		if err == nil {
			err = h.restoreTable(ctx, f, h.pinLines(table))
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

func (h *Host) pinLines(table observed.Table) []string {
	var lines []string
	for _, hook := range h.spec.Hooks {
		at := table.Jumps(hook, h.spec.Chain)
		if !table.Has(hook) || len(at) == 1 && at[0] == 1 {
			continue
		}
		lines = append(lines, h.deleteJumps(hook, len(at))...)
		lines = append(lines, h.insertJump(hook, 1))
	}
	return lines
}

// takeDown removes all that is ours by name: every rule that enters the
// chain, the chain, and the sets, also those of a back end used before.
func (h *Host) takeDown(ctx context.Context) error {
	var errs []error
	for _, f := range observed.Families {
		table, err := h.reader.Table(ctx, f)
		if err == nil {
			err = errors.Join(h.takeDownChain(ctx, f, table), h.takeDownElsewhere(ctx, f, table))
		}
		if observed.CannotFilter(f, err) {
			err = nil
		}
		if err == nil {
			err = h.takeDownSets(ctx, f)
		}
		if errors.Is(err, tool.ErrSetInUse) { // by a table that is there, so that naming it makes none
			err = errors.Join(h.takeDownElsewhere(ctx, f, table, "-t", "filter"), h.takeDownSets(ctx, f))
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// takeDownElsewhere removes the chain from the tables of the other variant of
// iptables, where one used before has left it. No table is made by looking while
// none is asked for, and one that cannot be read is no failure: a set that it
// uses will tell.
func (h *Host) takeDownElsewhere(ctx context.Context, f observed.Family, table observed.Table, asked ...string) error {
	there := *h
	there.spec.Variant = table.OtherVariant()
	there.reader.Spec = there.spec
	out, err := h.run.Run(ctx, nil, there.spec.Program(f, "save"), asked...)
	if err != nil {
		return nil //nolint:nilerr // not installed, for one
	}
	return there.takeDownChain(ctx, f, observed.ParseTable(out))
}

func (h *Host) takeDownChain(ctx context.Context, f observed.Family, table observed.Table) error {
	var lines []string
	for _, rule := range table.Entering(h.spec.Chain) {
		lines = append(lines, "-D "+rule.Chain+" "+rule.Spec)
	}
	if table.HasOwn(h.spec.Chain) {
		lines = append(lines, "-F "+h.spec.Chain, "-X "+h.spec.Chain)
	}
	return h.restoreTable(ctx, f, lines)
}

// takeDownSets destroys the sets of a family; it is an error when somebody
// else's rule uses one of them.
func (h *Host) takeDownSets(ctx context.Context, f observed.Family) error {
	names := []string{h.spec.SetName(f), h.spec.TemporarySetName(f)}
	err := h.ipset(ctx, []byte("destroy "+strings.Join(names, "\ndestroy ")+"\n"))
	switch {
	case err == nil:
		return nil
	case h.spec.Backend == observed.BackendIPTables && errors.Is(err, tool.ErrNotFound):
		return nil // without ipset there are no sets
	case errors.Is(err, tool.ErrSetInUse):
		return fmt.Errorf("removing the sets %s: a rule outside the chain %s uses one; delete that rule: %w",
			strings.Join(names, " and "), h.spec.Chain, err)
	default:
		return fmt.Errorf("removing the sets %s: %w", strings.Join(names, " and "), err)
	}
}
