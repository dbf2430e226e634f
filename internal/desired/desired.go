// Package desired turns what was appended to the ban log into the set of bans
// that must be in force now. Folding is pure; only file.go and its neighbours
// touch the disk.
package desired

import (
	"fmt"
	"net/netip"
	"time"
)

// Reason says why a prefix that was enforced is no longer to be. A removal
// that has none is withheld by the plan.
type Reason string

// The reasons a removal can have.
const (
	Expired   Reason = "expired"   // its time was over
	Unbanned  Reason = "unbanned"  // an unban record lifted it
	Flushed   Reason = "flushed"   // a flush took effect
	Protected Reason = "protected" // it overlaps an address that is never banned
	Covered   Reason = "covered"   // a wider entry that ends no earlier does its work
	Moved     Reason = "moved"     // the ACL enforces it now (overflow mode)
	Shadowed  Reason = "shadowed"  // a lower-numbered allow overrules its entry
	Duplicate Reason = "duplicate" // the same prefix holds another slot
	Adopted   Reason = "adopted"   // taken over with --dedicated, and not wanted
	Config    Reason = "config"    // the window, the shape or a limit was changed
	Paused    Reason = "paused"    // a pause record asks for nothing to be enforced
	Forced    Reason = "forced"    // no record explains it; an operator let it through
)

// Ban is one prefix that at least one claim wants blocked.
type Ban struct {
	Prefix netip.Prefix // canonical: masked, never IPv4-mapped
	Until  time.Time    // the latest end of its claims; zero is permanent
	Jails  []string     // who wants it, sorted, without repeats
	// Leaving says that a flush is about to lift it, unless a stop or start of its
	// jails calls that off in time, or a start has and fail2ban announces it again.
	Leaving bool
}

// Permanent says that the ban has no end.
func (b Ban) Permanent() bool { return b.Until.IsZero() }

// EndsBefore says that end a comes before end b, where the zero time is never.
func EndsBefore(a, b time.Time) bool {
	if a.IsZero() {
		return false
	}
	return b.IsZero() || a.Before(b)
}

// StoppedJail is a jail of fail2ban that has stopped, not started since, and left
// bans in force.
type StoppedJail struct {
	Host, Jail string // no host: this one, or not known
	At         time.Time
	Bans       int
}

// Lift gives the command that lifts the bans of the jail, on its host.
func (j StoppedJail) Lift() string { return "reconciler flush --jail " + ShellWord(j.Jail) }

func (j StoppedJail) String() string {
	where := ""
	if j.Host != "" {
		where = " on " + j.Host
	}
	return fmt.Sprintf("fail2ban's jail %s%s has stopped at %s and not started since; bans of it that are still in force: %d; they stay until they end, and to lift them: %s",
		j.Jail, where, j.At.UTC().Format(time.RFC3339), j.Bans, j.Lift())
}

// LineError is one line of a source that could not be used.
type LineError struct {
	Source string // the log's path or address
	Line   int    // 1 is the first line of the file as it is now
	Err    error
}

func (e LineError) Error() string { return fmt.Sprintf("%s: %v", e.where(), e.Err) }

// Unwrap gives the cause.
func (e LineError) Unwrap() error { return e.Err }

// Set is what all sources together want at one instant.
type Set struct {
	Bans   []Ban                   // sorted by prefix, no prefix twice
	Lifted map[netip.Prefix]Reason // once enforced, no longer wanted, removal not yet confirmed by every target
	// Unknown are the sources of which not all is known: each may want any prefix,
	// for any time. Less is never concluded from that.
	Unknown []string
	// Everywhere are the lifted prefixes that an unban for all sources has lifted.
	Everywhere map[netip.Prefix]bool
	Stopped    []StoppedJail // sorted; their bans stay, and no jail lifts them any more
	Bad        []LineError   // lines that were skipped
	Warnings   []string      // what an operator should know: a log that was replaced, an unban under a wider ban
	Allowed    []Allowed     // what an operator keeps from being banned here, sorted by prefix
	Paused     bool          // nothing is to be enforced
	Confirmed  time.Time     // of the last confirm that came while its log was followed; zero: none
	Next       time.Time     // when this Set next changes by itself (an expiry, a deferred flush); zero: never
}
