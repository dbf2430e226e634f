package tool

import (
	"errors"
	"strconv"
	"strings"
)

// The conditions that callers tell apart with errors.Is.
var (
	ErrNoSuchSet    = errors.New("the set does not exist")
	ErrSetFull      = errors.New("the set is full")
	ErrSetInUse     = errors.New("the set is in use")
	ErrSetType      = errors.New("the sets are of different types")
	ErrNotPermitted = errors.New("not permitted")
	ErrBusy         = errors.New("the firewall is locked by another program")
	ErrNoFamily     = errors.New("the kernel cannot filter this address family")

	ErrReadOnlyDatabase = errors.New("the database would have to be repaired, and is opened for reading")
	ErrNoServer         = errors.New("fail2ban does not run")
	ErrNoLogFile        = errors.New("fail2ban has a jail whose log file is not there")
)

// conditions is the only place that knows the words of the kernel's and the
// programs' complaints (ipset 7.17 lib/errcode.c; iptables 1.8.9, both
// variants; sqlite3 3.40; fail2ban 1.0.2).
var conditions = map[error][]string{
	ErrNoSuchSet: {"The set with the given name does not exist", " doesn't exist."},
	ErrSetFull:   {"Hash is full"},
	ErrSetInUse:  {"it is in use by a kernel component"},
	ErrSetType:   {"their type does not match"},
	ErrNotPermitted: {
		"Operation not permitted", "Permission denied", "you must be root",
		"Can't open socket to ipset", // iptables -m set without CAP_NET_RAW
	},
	ErrBusy: {"holding the xtables lock"},
	ErrNoFamily: {
		"Address family not supported", // booted with ipv6.disable=1
		"Table does not exist",         // legacy, the kernel module is not there
		"do you need to insmod",
	},
	ErrReadOnlyDatabase: {"attempt to write a readonly database"},
	ErrNoServer:         {"Is fail2ban running?", "Could not find server"},
	ErrNoLogFile:        {"Have not found any log file for"},
}

// Is says whether what the program wrote names the condition.
func (e *Error) Is(target error) bool {
	for _, words := range conditions[target] {
		if strings.Contains(e.Stderr, words) {
			return true
		}
	}
	return false
}

// hint is the operator's next step, where the complaint does not say it.
func (e *Error) hint() string {
	if e.Is(ErrNotPermitted) {
		return " (run as root, or grant CAP_NET_ADMIN and, for iptables' set match, CAP_NET_RAW)"
	}
	return ""
}

// Jail is the jail of fail2ban that has no log file, where that is the complaint.
func (e *Error) Jail() string {
	_, after, _ := strings.Cut(e.Stderr, "Have not found any log file for ")
	jail, _, found := strings.Cut(after, " jail")
	if !found {
		return ""
	}
	return jail
}

// Line is the number of the input line, from 1, at which `ipset restore`
// stopped. The lines after it were not read. The lines before it may or may
// not be applied: ipset gathers lines of one set into a message, and drops
// the message when it cannot parse a later line.
func (e *Error) Line() (int, bool) {
	_, after, found := strings.Cut(e.Stderr, "Error in line ")
	if !found {
		return 0, false
	}
	digits, _, found := strings.Cut(after, ":")
	n, err := strconv.Atoi(digits)
	return n, found && err == nil && n > 0
}
