package desired

import (
	"errors"
	"fmt"
	"time"
)

// errSkip says that a record is not meant for this host.
var errSkip = errors.New("not for this host")

// ordering says what puts records in order.
type ordering int

const (
	byLine ordering = iota // their places
	byTime                 // their times, as in content that was replaced
	// byID takes the places of records that have an id, as those that are known
	// drop out or go by their times, and the times of all others.
	byID
)

// recovers says that the time of a record counts and not its place.
func (o ordering) recovers(rec Record) bool {
	return o == byTime || o == byID && rec.ID == ""
}

// intake folds the lines of one object and of the spool that goes to it, and
// keeps what is wrong with them.
type intake struct {
	fold     *Fold
	parser   Parser
	admit    func(*Record) error // may change a record, refuse it, or skip it with errSkip
	quiet    bool                // see Fold
	bad      []LineError
	badTotal int
	remarks  remarks
	newest   time.Time // of the records; zero: none
}

// line folds one line. A record that comes from a torn line is taken too.
func (n *intake) line(place LineError, line []byte, tooLong bool, order ordering, readAt time.Time) {
	if tooLong {
		n.report(place, fmt.Errorf("the line is longer than %d bytes and was skipped", maxLine))
		return
	}
	if line = trimBlank(line); len(line) == 0 {
		return
	}
	rec, err := n.parser.Parse(line)
	if err == nil {
		n.remarks.take(place, n.parser.remarks)
		n.record(place, rec, order, readAt)
		return
	}
	found := salvage(&n.parser, line)
	if len(found) > 0 {
		err = fmt.Errorf("%w; %d whole records in it were used", err, len(found))
	}
	n.report(place, err)
	for _, rec := range found {
		n.record(place, rec, order, readAt)
	}
}

func (n *intake) record(place LineError, rec Record, order ordering, readAt time.Time) {
	err := n.admit(&rec)
	if err == nil {
		n.fold.quiet = n.quiet
		err = n.fold.apply(newConfirm(rec, readAt), readAt, order.recovers(rec))
		n.remarks.take(place, n.fold.remarks)
	}
	switch {
	case errors.Is(err, errSkip):
	case err != nil:
		n.report(place, err)
	case rec.Op != OpSeen:
		n.newest = later(n.newest, rec.Time)
	}
}

func (n *intake) report(place LineError, err error) {
	place.Err = err
	n.badTotal++
	if len(n.bad) == maxBad {
		n.bad = append(n.bad[:0], n.bad[1:]...)
	}
	n.bad = append(n.bad, place)
}
