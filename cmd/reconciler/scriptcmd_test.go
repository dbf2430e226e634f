package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"strconv"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sys/unix"

	"reconciler/internal/ec2sim"
)

// cmdExits is `exits STATUS program args…`: it ends with exactly this status.
func cmdExits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits STATUS program [args…]")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	got := 0
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("exit status %d, want %d", got, want)
	}
}

// cmdJSON is `json PATH [VALUE]`: the last standard output is JSON, and the
// value at the path (names and indexes with dots between) is VALUE. A list or
// object is written as JSON; `json PATH` alone wants the path to be there.
func cmdJSON(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) == 0 || len(args) > 2 {
		ts.Fatalf("usage: [!] json PATH [VALUE]")
	}
	var v any
	if err := json.Unmarshal([]byte(ts.ReadFile("stdout")), &v); err != nil {
		ts.Fatalf("standard output is no JSON: %v", err)
	}
	got, found := at(v, strings.Split(args[0], "."))
	switch {
	case found == neg && len(args) == 1:
		ts.Fatalf("%s is there: %v", args[0], found)
	case len(args) == 2 && (found && asText(got) == args[1]) == neg:
		ts.Fatalf("%s is %s, want %s (not: %v)", args[0], asText(got), args[1], neg)
	}
}

func at(v any, path []string) (any, bool) {
	for _, step := range path {
		switch x := v.(type) {
		case map[string]any:
			next, ok := x[step]
			if !ok {
				return nil, false
			}
			v = next
		case []any:
			i, err := strconv.Atoi(step)
			if err != nil || i >= len(x) {
				return nil, false
			}
			v = x[i]
		default:
			return nil, false
		}
	}
	return v, true
}

func asText(v any) string {
	if text, ok := v.(string); ok {
		return text
	}
	text, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

type simKey struct{}

// simulated is the EC2 of one script.
type simulated struct {
	*ec2sim.Server
	acl string
}

// cmdSim acts as AWS or as somebody else who works on the ACL:
//
//	sim deny|allow ACTION…      takes or gives a permission
//	sim hang|throttle ACTION    for every call from now on
//	sim release                 ends what hangs and fails
//	sim put RULE allow|deny PREFIX
//	sim remove RULE
//	sim quota N
//	sim rules FILE              writes our side of the ACL: RULE PREFIX, sorted
//	sim acl NAME [CIDR]         makes an ACL, of a new subnet or of none, and sets $NAME
//	sim writes N                so many mutating calls since the last look
func cmdSim(ts *testscript.TestScript, neg bool, args []string) {
	sim, ok := ts.Value(simKey{}).(*simulated)
	if !ok || neg || len(args) == 0 {
		ts.Fatalf("usage: sim WHAT [args…]")
	}
	switch args[0] {
	case "deny":
		sim.Deny(args[1:]...)
	case "allow":
		sim.Allow(args[1:]...)
	case "hang":
		sim.Inject(ec2sim.Fault{Kind: ec2sim.HangBefore, Action: args[1], Count: ec2sim.Always})
	case "throttle":
		sim.Inject(ec2sim.Fault{Kind: ec2sim.Throttle, Action: args[1], Count: ec2sim.Always})
	case "release":
		sim.ReleaseAll()
	case "put":
		ts.Check(sim.PutEntry(sim.acl, ec2sim.Entry{
			Number: number(ts, args[1]), Protocol: "-1",
			Allow: args[2] == "allow", Prefix: netip.MustParsePrefix(args[3]),
		}))
	case "remove":
		ts.Check(sim.RemoveEntry(sim.acl, false, number(ts, args[1])))
	case "quota":
		sim.SetQuota(number(ts, args[1]))
	case "rules":
		ts.Check(os.WriteFile(ts.MkAbs(args[1]), []byte(sim.rules()), 0o600))
	case "acl":
		ts.Setenv(args[1], sim.addACL(args[2:]))
	case "writes":
		if got, want := len(sim.Writes()), number(ts, args[1]); got != want {
			ts.Fatalf("%d mutating EC2 calls were made, want %d", got, want)
		}
		sim.ResetCalls()
	default:
		ts.Fatalf("sim %s is unknown", args[0])
	}
}

func number(ts *testscript.TestScript, text string) int {
	n, err := strconv.Atoi(text)
	ts.Check(err)
	return n
}

// addACL makes another ACL in the VPC of the first.
func (s *simulated) addACL(subnets []string) string {
	vpc := s.VPCOf(s.acl)
	ids := make([]string, 0, len(subnets))
	for _, cidr := range subnets {
		ids = append(ids, s.AddSubnet(vpc, netip.MustParsePrefix(cidr), netip.Prefix{}))
	}
	return s.AddACL(vpc, ids...)
}

// rules gives the inbound denies that somebody made, one a line.
func (s *simulated) rules() string {
	var b strings.Builder
	for _, e := range s.Entries(s.acl) {
		if !e.Egress && !e.Allow && !e.Default() {
			fmt.Fprintf(&b, "%d %s\n", e.Number, e.Prefix)
		}
	}
	return b.String()
}

// cmdTmpfs is `tmpfs DIR SIZE`, which mounts a small file system until the end
// of the script, or `tmpfs DIR ro|rw`, which makes it read-only or writable.
func cmdTmpfs(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: tmpfs DIR SIZE|ro|rw")
	}
	dir := ts.MkAbs(args[0])
	switch args[1] {
	case "ro":
		ts.Check(unix.Mount("", dir, "", unix.MS_REMOUNT|unix.MS_RDONLY, ""))
		return
	case "rw":
		ts.Check(unix.Mount("", dir, "", unix.MS_REMOUNT, ""))
		return
	}
	ts.Check(os.MkdirAll(dir, 0o700))
	ts.Check(unix.Mount("tmpfs", dir, "tmpfs", 0, "mode=700,size="+args[1]))
	ts.Defer(func() { ts.Check(unix.Unmount(dir, unix.MNT_DETACH)) })
}
