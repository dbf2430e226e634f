package controller

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// Word is what a daemon says of itself to those who connect to its lock. Anybody
// gets the version and the time; how it does is for those who may command it.
type Word struct {
	Version string    `json:"version"`
	Since   time.Time `json:"since"`
	Health  *Health   `json:"health,omitempty"` // nil: it has done nothing yet, or will not say
}

// Keeper is the process that keeps a chain in this network namespace.
type Keeper struct {
	PID     int    // 0: not known
	UID     int64  // -1: the kernel does not tell
	Program string // the name of its file; empty: not known
	Word    *Word  // nil: it gave none
	command string // of the program's command line; empty: not known
}

// String names the process.
func (k Keeper) String() string {
	switch {
	case k.PID == 0:
		return "a process"
	case k.Program == "":
		return fmt.Sprintf("process %d", k.PID)
	}
	return fmt.Sprintf("process %d (%s)", k.PID, k.Program)
}

// wordTimeout bounds the wait for a daemon that is stopped or has hung.
const wordTimeout = time.Second

// maxWord bounds what is read of a word.
const maxWord = 1 << 20

// give writes the word to one who has asked.
func (w Word) give(conn net.Conn) {
	socket, ok := conn.(*net.UnixConn)
	if !ok {
		return // it listens on no other
	}
	if peer, err := peerOf(socket); err != nil || !honest(int64(peer.Uid)) {
		w.Health = nil
	}
	text, err := json.Marshal(w)
	if err != nil {
		return // a word of text and times can be written
	}
	_ = conn.SetWriteDeadline(time.Now().Add(wordTimeout)) // nobody keeps the others waiting
	_, _ = conn.Write(text)                                // who went away does not want it
}

// Daemon returns the daemon that keeps a chain in this network namespace. It
// takes nothing and disturbs nobody. A stranger who holds the socket is none, and
// neither is a command that holds it for a moment.
func Daemon(chain string) (k Keeper, running bool) {
	k, held := ask("@reconciler/" + chain)
	switch {
	case held && honest(k.UID):
		return k, k.Word != nil || k.command == "" || k.command == "run"
	case held:
		return Keeper{UID: -1}, fileHeld(chain)
	}
	return Keeper{}, false
}

// Holder names the process that keeps a chain in this network namespace, or
// returns "" when none does.
func Holder(chain string) string {
	if k, held := ask("@reconciler/" + chain); held {
		return k.String()
	}
	return ""
}

// ask finds who listens on a lock's socket, and takes its word. Where nobody
// answers though the name is taken, little is known of the holder.
func ask(name string) (k Keeper, held bool) {
	k.UID = -1
	conn, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: name, Net: "unix"})
	if err != nil {
		return k, !errors.Is(err, unix.ECONNREFUSED) // else it is there, and busy
	}
	defer conn.Close() //nolint:errcheck // nothing was sent
	peer, err := peerOf(conn)
	if err != nil {
		return k, true
	}
	k.PID, k.UID = int(peer.Pid), int64(peer.Uid)
	if program, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", k.PID)); err == nil {
		k.Program = filepath.Base(program)
	}
	if line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", k.PID)); err == nil {
		if args := bytes.Split(line, []byte{0}); len(args) > 1 {
			k.command = string(args[1])
		}
	}
	var word Word
	_ = conn.SetReadDeadline(time.Now().Add(wordTimeout)) // a daemon that says nothing is one all the same
	if text, err := io.ReadAll(io.LimitReader(conn, maxWord)); err == nil && honest(k.UID) && json.Unmarshal(text, &word) == nil {
		k.Word = &word
	}
	return k, true
}

// peerOf returns who is at the other end of a connection.
func peerOf(conn *net.UnixConn) (peer *unix.Ucred, err error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return nil, err
	}
	var credErr error
	err = raw.Control(func(fd uintptr) { peer, credErr = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) })
	return peer, errors.Join(err, credErr)
}
