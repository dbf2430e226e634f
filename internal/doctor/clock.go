package doctor

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// timeError is the state of a clock that nobody synchronises (adjtimex(2), TIME_ERROR).
const timeError = 5

// Synchronised asks the kernel whether its clock is kept right. It changes nothing.
func Synchronised() (bool, error) {
	state, err := unix.Adjtimex(&unix.Timex{})
	if err != nil {
		return false, fmt.Errorf("asking the kernel about its clock: %w", err)
	}
	return state != timeError, nil
}

// The SDK signs each call with the time; AWS refuses one that is more than 5
// minutes off (Signature Version 4, "RequestExpired").
const (
	skewWarns = 30 * time.Second
	skewFails = 5 * time.Minute
)

func (e *examination) skew(skew time.Duration) {
	switch off := skew.Abs().Round(time.Second); {
	case off >= skewFails:
		e.fail("clock", "systemctl restart chronyd || systemctl restart systemd-timesyncd", "this clock is %s off that of AWS, which refuses calls: bans end at the wrong time too", off)
	case off >= skewWarns:
		e.warn("clock", "systemctl restart chronyd || systemctl restart systemd-timesyncd", "this clock is %s off that of AWS: bans end at the wrong time", off)
	}
}

// clock asks the kernel whether somebody keeps the time right.
func (e *examination) clock() {
	if synchronised, err := e.Clock(); err != nil || !synchronised {
		e.warn("clock", "timedatectl set-ntp true", "the clock is not synchronised: bans begin and end by it")
		return
	}
	e.ok("clock", "it is synchronised")
}
