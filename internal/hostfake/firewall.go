// Package hostfake is a host's firewall in memory for tests. It is a
// tool.Runner that interprets the text that goes to `ipset -exist restore`
// and `iptables-restore --noflush`, and answers `ipset save` and
// `iptables-save` as the real programs do, with their rules and complaints.
// That it agrees with the kernel is itself tested, in package apply.
package hostfake

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"reconciler/internal/tool"
)

// Call is one run of a program.
type Call struct {
	Program string
	Args    []string
	Stdin   string
}

func (c Call) String() string { return strings.Join(append([]string{c.Program}, c.Args...), " ") }

// Writes says that the call may change the firewall.
func (c Call) Writes() bool { return slices.ContainsFunc(append(c.Args, c.Program), isRestore) }

func isRestore(word string) bool { return strings.HasSuffix(word, "restore") }

// Firewall is the fake. Its fields may be set before it is used; the methods
// may be called from several goroutines.
type Firewall struct {
	// Now is the kernel's clock; nil means time.Now.
	Now func() time.Time
	// Before runs before each call. An error fails the call, which then has no
	// effect. The hook may change the firewall by its methods.
	Before func(Call) error
	// After runs after each call that succeeded. An error is given to the
	// caller although the call had its effect: a response that was lost.
	After func(Call) error
	// Missing are programs that are not installed.
	Missing []string
	// NoIPv6 is a kernel that cannot filter IPv6.
	NoIPv6 bool

	mu     sync.Mutex
	sets   map[string]*set
	tables map[string]*table // by the program, without its verb
	calls  []Call
}

// New gives a machine with empty filter tables and no sets.
func New() *Firewall {
	return &Firewall{
		sets: map[string]*set{},
		tables: map[string]*table{
			"iptables": newTable(), "ip6tables": newTable(), "iptables-nft": newTable(), "ip6tables-nft": newTable(),
		},
	}
}

// Run is tool.Runner.
func (fw *Firewall) Run(ctx context.Context, stdin []byte, program string, args ...string) ([]byte, error) {
	call := Call{Program: program, Args: slices.Clone(args), Stdin: string(stdin)}
	if err := ctx.Err(); err != nil {
		return nil, &tool.Error{Program: program, Args: args, Err: err}
	}
	if slices.Contains(fw.Missing, program) {
		return nil, tool.NotFound(program)
	}
	fw.mu.Lock()
	fw.calls = append(fw.calls, call)
	fw.mu.Unlock()
	if fw.Before != nil {
		if err := fw.Before(call); err != nil {
			return nil, err
		}
	}
	out, err := fw.interpret(call)
	if err != nil {
		return nil, err
	}
	if fw.After != nil {
		if err := fw.After(call); err != nil {
			return nil, err
		}
	}
	return []byte(out), nil
}

func (fw *Firewall) interpret(call Call) (string, error) {
	fw.mu.Lock()
	defer fw.mu.Unlock()
	var out, complaint string
	args := strings.Join(call.Args, " ")
	switch {
	case call.Program == "ipset" && args == "-exist restore":
		complaint = fw.restoreSets(call.Stdin, true)
	case call.Program == "ipset" && args == "restore":
		complaint = fw.restoreSets(call.Stdin, false)
	case call.Program == "ipset" && len(call.Args) == 2 && call.Args[0] == "save":
		out, complaint = fw.saveSet(call.Args[1])
	case strings.HasSuffix(call.Program, "-restore") && strings.HasPrefix(args, "--noflush -w "):
		complaint = fw.restoreTable(call)
	case strings.HasSuffix(call.Program, "-save") && (args == "-t filter" || args == ""):
		out, complaint = fw.saveTable(call)
	default:
		return "", fmt.Errorf("hostfake does not know the command %q; teach it what the real program does", call)
	}
	if complaint != "" {
		return "", Complaint(call, complaint)
	}
	return out, nil
}

// Complaint is the error of a program that wrote these words to its standard
// error and exited 1.
func Complaint(call Call, words string) error {
	return &tool.Error{Program: call.Program, Args: call.Args, Stderr: words + "\n", Err: errors.New("exit status 1")}
}

// Calls gives all calls so far.
func (fw *Firewall) Calls() []Call {
	fw.mu.Lock()
	defer fw.mu.Unlock()
	return slices.Clone(fw.calls)
}

// Writes gives the calls so far that may have changed the firewall.
func (fw *Firewall) Writes() []Call {
	return slices.DeleteFunc(fw.Calls(), func(c Call) bool { return !c.Writes() })
}

// ForgetCalls empties the log of calls.
func (fw *Firewall) ForgetCalls() {
	fw.mu.Lock()
	defer fw.mu.Unlock()
	fw.calls = nil
}

func (fw *Firewall) now() time.Time {
	if fw.Now != nil {
		return fw.Now()
	}
	return time.Now()
}
