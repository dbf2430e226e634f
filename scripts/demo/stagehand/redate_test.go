package main

import (
	"strings"
	"testing"
	"time"
)

func TestRedateEndsNowAndKeepsTheGaps(t *testing.T) {
	now := time.Date(2031, time.January, 1, 0, 0, 5, 250_000_000, time.UTC)
	for name, c := range map[string]struct{ in, want string }{
		"traditional dates, into the year before": {
			"Nov 22 09:00:00 bastion sshd[1]: a\nNov 22 09:01:00 bastion sshd[2]: b\n",
			"Dec 31 23:59:05 bastion sshd[1]: a\nJan  1 00:00:05 bastion sshd[2]: b\n",
		},
		"precise dates": {
			"2026-11-22T09:00:00.500000+01:00 bastion sshd[1]: a\n2026-11-22T09:00:01.000000+01:00 bastion sshd[2]: b\n",
			"2031-01-01T00:00:04.750000Z bastion sshd[1]: a\n2031-01-01T00:00:05.250000Z bastion sshd[2]: b\n",
		},
	} {
		t.Run(name, func(t *testing.T) {
			var out strings.Builder
			if err := redate(strings.NewReader(c.in), &out, now); err != nil {
				t.Fatal(err)
			}
			if out.String() != c.want {
				t.Errorf("redate wrote\n%s, want\n%s", out.String(), c.want)
			}
		})
	}
}

func TestRedateRefusesWhatHasNoDate(t *testing.T) {
	for _, in := range []string{"", "no date here\n", "Nov 22 09:00:00 bastion sshd[1]: a\nmore of it\n"} {
		if err := redate(strings.NewReader(in), &strings.Builder{}, time.Now()); err == nil {
			t.Errorf("redate took %q", in)
		}
	}
}
