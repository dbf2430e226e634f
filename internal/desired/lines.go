package desired

import (
	"fmt"
	"time"
)

// take folds one line.
func (f *File) take(place LineError, line []byte, tooLong, recovered bool, now time.Time) {
	if tooLong {
		f.report(place, fmt.Errorf("the line is longer than %d bytes and was skipped", maxLine))
		return
	}
	if line = trimBlank(line); len(line) == 0 {
		return
	}
	rec, err := f.parser.Parse(line)
	if err == nil {
		f.remarks.take(place, f.parser.remarks)
		f.apply(place, rec, recovered, now)
		return
	}
	found := salvage(&f.parser, line)
	if len(found) > 0 {
		err = fmt.Errorf("%w; %d whole records in it were used", err, len(found))
	}
	f.report(place, err)
	for _, rec := range found {
		f.apply(place, rec, recovered, now)
	}
}

func (f *File) apply(place LineError, rec Record, recovered bool, now time.Time) {
	err := f.fold.apply(newConfirm(rec, now), now, recovered)
	f.remarks.take(place, f.fold.remarks)
	if err != nil {
		f.report(place, err)
		return
	}
	f.newest = later(f.newest, rec.Time)
}

func (f *File) report(place LineError, err error) {
	place.Err = err
	f.badTotal++
	if len(f.bad) == maxBad {
		f.bad = append(f.bad[:0], f.bad[1:]...)
	}
	f.bad = append(f.bad, place)
}

// watchTorn times a last line that has no newline.
func (f *File) watchTorn(now time.Time) {
	if !f.tail.partial() {
		f.torn = tornLine{}
		return
	}
	if f.torn.since.IsZero() || f.torn.at != f.tail.offset || now.Before(f.torn.since) {
		f.torn = tornLine{at: f.tail.offset, since: now}
	}
	f.torn.report = now.Sub(f.torn.since) >= tornAfter
}

// Bad gives the latest lines that were skipped, and a last line that has had no
// newline for a while.
func (f *File) Bad() []LineError {
	bad := append([]LineError(nil), f.bad...)
	if f.torn.report {
		bad = append(bad, LineError{Source: f.Path, Line: f.tail.line + 1, Err: errTorn})
	}
	return bad
}

// Warnings gives what an operator should know beside the bad lines.
func (f *File) Warnings() []string {
	all := f.remarks.appendTo(append([]string(nil), f.warnings...))
	if f.incident != "" {
		all = append(all, f.incident)
	}
	if n := f.spool.tail.size; n > 0 {
		all = append(all, fmt.Sprintf("%d bytes of records wait in %s: the file system of %s is full, read-only or failing; make room or mend it",
			n, f.spoolPath(), f.Path))
	}
	return all
}

// Health gives how the log does.
func (f *File) Health() Health {
	return Health{
		Path: f.Path, Size: max(0, f.tail.size), Lag: max(0, f.tail.size-f.tail.offset), Lines: f.tail.line,
		Skipped: f.badTotal, Repeats: f.fold.repeats, Spooled: f.spool.tail.size,
		LastRecord: f.newest, Err: f.err,
	}
}
