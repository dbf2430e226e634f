package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
)

// The two ways in which syslog writes dates: RFC 3164, without a year, and
// RFC 3339.
const (
	traditional = "Jan _2 15:04:05"
	precise     = "2006-01-02T15:04:05.000000Z07:00"
)

// redate shifts the dates of a log so that its last line was written now, and
// keeps the gaps between the lines: fail2ban does not look at old failures.
func redate(in io.Reader, out io.Writer, now time.Time) error {
	var lines []string
	for s := bufio.NewScanner(in); ; {
		if !s.Scan() {
			if s.Err() != nil {
				return fmt.Errorf("reading the sample: %w", s.Err())
			}
			break
		}
		lines = append(lines, s.Text())
	}
	if len(lines) == 0 {
		return errors.New("the sample is empty")
	}
	last, _, _, err := cutDate(lines[len(lines)-1])
	if err != nil {
		return err
	}
	w := bufio.NewWriter(out)
	for _, line := range lines {
		at, layout, rest, err := cutDate(line)
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintf(w, "%s %s\n", now.Add(at.Sub(last)).Format(layout), rest); err != nil {
			return err
		}
	}
	return w.Flush()
}

// cutDate parts a line into its date, the layout of that, and what follows.
func cutDate(line string) (at time.Time, layout, rest string, err error) {
	if len(line) > len(traditional) {
		if at, err = time.Parse(traditional, line[:len(traditional)]); err == nil {
			return at, traditional, line[len(traditional)+1:], nil
		}
	}
	date, rest, _ := strings.Cut(line, " ")
	if at, err = time.Parse(precise, date); err != nil {
		return at, "", "", fmt.Errorf("no date that is known begins the line %q", line)
	}
	return at, precise, rest, nil
}
