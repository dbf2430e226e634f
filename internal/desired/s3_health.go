package desired

import "fmt"

// Fold, Bad, Warnings and Health make an objectLog a State.

func (l *objectLog) Fold() *Fold { return l.intake.fold }

func (l *objectLog) Bad() []LineError { return append([]LineError(nil), l.intake.bad...) }

func (l *objectLog) Warnings() []string {
	all := l.intake.remarks.appendTo(nil)
	if l.incident != "" {
		all = append(all, l.incident)
	}
	if l.cursor.Offset < l.cursor.Size {
		all = append(all, fmt.Sprintf("%s: %v", l.name, errTorn))
	}
	if l.delivery != nil {
		all = append(all, l.delivery.Error())
	}
	for _, r := range l.outboxes {
		if r.err != nil {
			all = append(all, r.err.Error())
		}
	}
	return all
}

// Gap says that the object was never read.
func (l *objectLog) Gap() error {
	if l.cursor.Tag != "" || l.gone {
		return nil
	}
	return fmt.Errorf("%s was never read, and nothing is known of its bans", l.name)
}

func (l *objectLog) Health() Health {
	h := Health{
		Path: l.name, Size: l.cursor.Size, Lag: l.cursor.Size - l.cursor.Offset, Lines: l.cursor.Lines,
		Skipped: l.intake.badTotal, Repeats: l.intake.fold.repeats, LastRecord: l.intake.newest, Read: l.cursor.Read, Err: l.err,
	}
	for _, r := range l.outboxes {
		h.Spooled += r.lag
	}
	return h
}
