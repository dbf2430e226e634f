package main

import (
	"bytes"
	"fmt"
	"net/netip"
	"os"
	"strings"
)

// sshVariable is where sshd tells a session whom it serves: the client's address
// and port, then the server's (ssh(1), "ENVIRONMENT").
const sshVariable = "SSH_CONNECTION"

// mostAncestors bounds the walk from a command to the session's shell.
const mostAncestors = 32

// sessionAddress returns the address from which the session of this process
// comes; invalid: from none that is known. sudo takes the variable away, so those
// of the processes above count too.
func sessionAddress() netip.Addr {
	if addr := clientIn(sshVariable + "=" + os.Getenv(sshVariable)); addr.IsValid() {
		return addr
	}
	for pid, n := os.Getppid(), 0; pid > 1 && n < mostAncestors; pid, n = parentOf(pid), n+1 {
		environ, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
		if err != nil {
			continue // another user's: the next may be readable
		}
		for entry := range bytes.SplitSeq(environ, []byte{0}) {
			if addr := clientIn(string(entry)); addr.IsValid() {
				return addr
			}
		}
	}
	return netip.Addr{}
}

// clientIn gives the client's address in an entry of an environment.
func clientIn(entry string) netip.Addr {
	value, ok := strings.CutPrefix(entry, sshVariable+"=")
	if !ok {
		return netip.Addr{}
	}
	client, _, _ := strings.Cut(value, " ")
	addr, err := netip.ParseAddr(client)
	if err != nil {
		return netip.Addr{}
	}
	return addr.Unmap().WithZone("")
}

// parentOf gives the parent of a process; 0: not known. The name in the second
// field may hold anything, so the fields are counted from its end (proc_pid_stat(5)).
func parentOf(pid int) int {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	var state string
	var parent int
	if _, err := fmt.Sscan(string(stat[bytes.LastIndexByte(stat, ')')+1:]), &state, &parent); err != nil {
		return 0
	}
	return parent
}
