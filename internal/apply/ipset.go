package apply

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strconv"

	"reconciler/internal/observed"
	"reconciler/internal/plan"
	"reconciler/internal/tool"
)

// setStore keeps the bans in two sets, one of each family.
type setStore struct{ *Host }

func (s setStore) write(ctx context.Context, batch []plan.Change, errs []error) error {
	for i := 0; i < len(batch); {
		if batch[i].Action == plan.Repair {
			errs[i] = s.repair(ctx)
			if err := whole(errs[i]); err != nil {
				return err
			}
			i++
			continue
		}
		end := i
		for end < len(batch) && batch[end].Action != plan.Repair {
			end++
		}
		if err := s.entries(ctx, batch[i:end], errs[i:end]); err != nil {
			return err
		}
		i = end
	}
	return nil
}

// setLine is one line of `ipset restore` and the change that it carries out.
type setLine struct {
	set    string
	prefix netip.Prefix
	del    bool
	fresh  bool  // an addition: needs room
	rest   int64 // timeout, in seconds
	err    *error
}

func (l setLine) appendTo(b []byte) []byte {
	verb := "add "
	if l.del {
		verb = "del "
	}
	b = append(b, verb...)
	b = append(b, l.set...)
	b = append(b, ' ')
	b = appendPrefix(b, l.prefix)
	if !l.del {
		b = append(b, " timeout "...)
		b = strconv.AppendInt(b, l.rest, 10)
	}
	return append(b, '\n')
}

func appendPrefix(b []byte, p netip.Prefix) []byte {
	if p.IsSingleIP() {
		return p.Addr().AppendTo(b)
	}
	return p.AppendTo(b)
}

// entries sends all changes of single entries in one run of ipset.
func (s setStore) entries(ctx context.Context, batch []plan.Change, errs []error) error {
	now := s.Now()
	lines := make([]setLine, 0, len(batch))
	for i, c := range batch {
		if errs[i] = valid(c); errs[i] != nil {
			continue
		}
		lines = append(lines, setLine{
			set: s.spec.SetName(observed.FamilyOf(c.Prefix)), prefix: c.Prefix,
			del: gone(c, now), fresh: c.Action == plan.Add, rest: timeout(c.Until, now), err: &errs[i],
		})
	}
	return s.send(ctx, lines)
}

// send runs the lines; when one is refused it alone fails and the others are
// sent again. ipset says at which line it stopped: it has not read the lines
// after that one, and may have dropped lines before it (tool.Error.Line).
func (s setStore) send(ctx context.Context, lines []setLine) error {
	for len(lines) > 0 {
		err := s.restore(ctx, lines)
		if err == nil {
			return nil
		}
		if whole(err) != nil {
			return err
		}
		at, known := failedLine(err, len(lines))
		if !known {
			fail(lines, err)
			return nil
		}
		bad := lines[at]
		fail(lines[at:at+1], err)
		if err := s.send(ctx, lines[:at]); err != nil {
			return err
		}
		lines = withoutHopeless(lines[at+1:], bad, err)
	}
	return nil
}

// failedLine gives the index of the line that was refused, of n.
func failedLine(err error, n int) (int, bool) {
	var failed *tool.Error
	if !errors.As(err, &failed) {
		return 0, false
	}
	line, ok := failed.Line()
	return line - 1, ok && line <= n
}

func fail(lines []setLine, err error) {
	for _, l := range lines {
		*l.err = explain(l, err)
	}
}

func explain(l setLine, err error) error {
	if errors.Is(err, tool.ErrSetFull) {
		err = fmt.Errorf("%w: %w", ErrHostFull, err)
	}
	verb := "adding"
	if l.del {
		verb = "removing"
	}
	return fmt.Errorf("%s %s in the set %s: %w", verb, l.prefix, l.set, err)
}

// withoutHopeless fails the lines that the same cause would refuse one by one:
// all of a set that is missing, and the additions to a set that is full.
func withoutHopeless(lines []setLine, bad setLine, err error) []setLine {
	missing, full := errors.Is(err, tool.ErrNoSuchSet), errors.Is(err, tool.ErrSetFull)
	if !missing && !full {
		return lines
	}
	rest := make([]setLine, 0, len(lines))
	for i, l := range lines {
		if l.set == bad.set && (missing || l.fresh && !l.del) {
			fail(lines[i:i+1], err)
			continue
		}
		rest = append(rest, l)
	}
	return rest
}

func (s setStore) restore(ctx context.Context, lines []setLine) error {
	text := make([]byte, 0, len(lines)*48)
	for _, l := range lines {
		text = l.appendTo(text)
	}
	return s.ipset(ctx, text)
}

// ipset runs one batch; -exist makes every line of it idempotent.
func (h *Host) ipset(ctx context.Context, text []byte) error {
	_, err := h.run.Run(ctx, text, "ipset", "-exist", "restore")
	return err
}
