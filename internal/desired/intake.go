package desired

import (
	"errors"
	"fmt"
	"time"
)

// errSkip says that a record is not meant for this host.
var errSkip = errors.New("not for this host")

// intake folds the lines of one object and of the spool that goes to it, and
// keeps what is wrong with them.
type intake struct {
	fold     *Fold
	parser   Parser
	admit    func(*Record) error // may change a record, refuse it, or skip it with errSkip
	bad      []LineError
	badTotal int
	newest   time.Time // of the records; zero: none
}

// line folds one line. A record that comes from a torn line is taken too.
func (n *intake) line(place LineError, line []byte, tooLong, recovered bool, readAt time.Time) {
	if tooLong {
		n.report(place, fmt.Errorf("the line is longer than %d bytes and was skipped", maxLine))
		return
	}
	if line = trimBlank(line); len(line) == 0 {
		return
	}
	rec, err := n.parser.Parse(line)
	if err == nil {
		n.record(place, rec, recovered, readAt)
		return
	}
	found := salvage(&n.parser, line)
	if len(found) > 0 {
		err = fmt.Errorf("%w; %d whole records in it were used", err, len(found))
	}
	n.report(place, err)
	for _, rec := range found {
		n.record(place, rec, recovered, readAt)
	}
}

func (n *intake) record(place LineError, rec Record, recovered bool, readAt time.Time) {
	err := n.admit(&rec)
	if err == nil {
		err = n.fold.apply(rec, readAt, recovered)
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
