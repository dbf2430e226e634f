package fail2ban

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strconv"
	"strings"
)

// recordEnv makes the test binary a recorder. It must not begin with
// RECONCILER_, where unknown names are errors.
const recordEnv = "FAIL2BAN_TEST_RECORD"

// entry is one line of the log as far as these tests look at it.
type entry struct {
	Op       string  `json:"op"`
	IP       string  `json:"ip"`
	Jail     string  `json:"jail"`
	Time     float64 `json:"time"`
	Bantime  int64   `json:"bantime"`
	Restored any     `json:"restored"`
	Defer    float64 `json:"defer"`
}

// restored says that fail2ban took the ban out of its database.
func (e entry) restored() bool { return e.Restored == true || e.Restored == float64(1) }

// record does what the program does with its arguments, and nothing more
// kindly: a word that the action should not pass is an error.
func record(args []string) int {
	path, entries, err := parse(args)
	for i := 0; err == nil && i < len(entries); i++ {
		err = appendEntry(path, entries[i])
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "recorder: %q: %v\n", args, err)
		return 1
	}
	return 0
}

func appendEntry(path string, e entry) (err error) {
	line, err := json.Marshal(e)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	_, err = f.Write(append(line, '\n'))
	return err
}

// allowed are the flags of each command as the action uses them, all of them
// required.
var allowed = map[string][]string{
	"ban":   {"--state", "--jail", "--time", "--bantime", "--restored"},
	"unban": {"--state", "--jail"},
	"flush": {"--state", "--jail", "--defer"},
	"start": {"--state", "--jail"},
	"stop":  {"--state", "--jail"},
}

func parse(args []string) (path string, entries []entry, err error) {
	if len(args) == 0 {
		return "", nil, errors.New("no command")
	}
	names, ok := allowed[args[0]]
	if !ok {
		return "", nil, errors.New("unknown command")
	}
	e := entry{Op: args[0]}
	args = args[1:]
	for _, name := range names {
		if len(args) < 2 || args[0] != name {
			return "", nil, fmt.Errorf("%s is not where it should be", name)
		}
		if name == "--state" {
			path = args[1]
		} else if err := e.set(name, args[1]); err != nil {
			return "", nil, err
		}
		args = args[2:]
	}
	entries, err = e.forEach(args)
	return path, entries, err
}

// forEach makes an entry for each address, as the program does.
func (e entry) forEach(args []string) (entries []entry, err error) {
	if e.Op != "ban" && e.Op != "unban" {
		if len(args) > 0 {
			return nil, errors.New("words left over")
		}
		return []entry{e}, nil
	}
	if len(args) < 2 || args[0] != "--" {
		return nil, errors.New("no address after two dashes")
	}
	for _, text := range args[1:] {
		if e.IP, err = canonical(text); err != nil {
			return nil, err
		}
		entries = append(entries, e)
	}
	return entries, nil
}

func (e *entry) set(name, text string) (err error) {
	switch name {
	case "--jail":
		e.Jail = text
	case "--time":
		e.Time, err = strconv.ParseFloat(text, 64)
	case "--bantime":
		e.Bantime, err = strconv.ParseInt(text, 10, 64)
	case "--restored":
		e.Restored, err = strconv.ParseBool(text)
	case "--defer":
		e.Defer, err = strconv.ParseFloat(text, 64)
	}
	return err
}

// canonical is how the log spells an address or a network.
func canonical(text string) (string, error) {
	if strings.Contains(text, "/") {
		p, err := netip.ParsePrefix(text)
		return p.Masked().String(), err
	}
	addr, err := netip.ParseAddr(text)
	return addr.String(), err
}
