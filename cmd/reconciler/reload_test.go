package main

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/hashicorp/go-hclog"

	"reconciler/internal/controller"
)

func TestHangupRereadsTheConfigurationAndAnInvalidOneIsNotTaken(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	p := s.start()
	s.must("ban", "203.0.113.7")
	p.Eventually("the ban is enforced", func() bool { return s.everywhere("203.0.113.7") })
	s.configure("ignore: [203.0.113.0/24]\n")
	p.Signal(syscall.SIGHUP)
	p.Eventually("an ignored address is lifted", func() bool { return s.nowhere("203.0.113.7") })
	s.configure("ignroe: []\n")
	p.Signal(syscall.SIGHUP)
	p.Says(0, `the new configuration is not taken; the old one stays in force`)
	p.Says(0, `unknown key \"ignroe\"; did you mean \"ignore\"?`)
	// Both come in one write, so when one is enforced the other had its chance.
	s.must("ban", "--state", s.log, "203.0.113.8", "198.51.100.7")
	p.Eventually("the daemon goes on", func() bool { return s.everywhere("198.51.100.7") })
	if !s.nowhere("203.0.113.8") {
		t.Error("after an invalid configuration the ignore list of the old one is forgotten")
	}
}

func TestHangupKeepsTheOldConfigurationWhenTheNewLogCannotBeOpened(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.env = append(s.env, "RECONCILER_STATE=") // the file names it
	s.configure("state: [" + s.log + "]\n")
	p := s.start()
	s.must("ban", "203.0.113.7")
	p.Eventually("the ban is enforced", func() bool { return s.everywhere("203.0.113.7") })
	for _, bad := range []string{filepath.Join(s.dir, "no", "such", "bans.jsonl"), filepath.Join(s.dir, "bin")} {
		s.configure("state: [" + bad + "]\n")
		p.Signal(syscall.SIGHUP)
		p.Says(0, bad)
	}
	p.Says(0, "the new configuration is not taken; the old one stays in force")
	s.must("ban", "--state", s.log, "203.0.113.8")
	p.Eventually("the daemon goes on with the old log", func() bool { return s.everywhere("203.0.113.8") })
}

// A log that is no longer to be trusted leaves the daemon degraded, and a SIGHUP
// must not make that its end.
func TestHangupOutlivesALogThatHasBecomeUnsafe(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	p := s.start()
	s.must("ban", "203.0.113.7")
	p.Eventually("the ban is enforced", func() bool { return s.everywhere("203.0.113.7") })
	if err := os.Chmod(s.log, 0o646); err != nil {
		t.Fatal(err)
	}
	p.Says(0, "writable by everyone")
	p.Signal(syscall.SIGHUP)
	p.Says(0, "reload=true")
	if err := os.Chmod(s.log, 0o600); err != nil {
		t.Fatal(err)
	}
	s.must("ban", "203.0.113.8")
	p.Eventually("the daemon goes on", func() bool { return s.everywhere("203.0.113.8") && s.everywhere("203.0.113.7") })
}

// The state as a whole can become unusable too: then it is tried again.
func TestHangupOutlivesAStateThatCannotBeOpened(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	dir := filepath.Join(s.dir, "state")
	s.log = filepath.Join(dir, "bans.jsonl")
	s.env = append(s.env, "RECONCILER_STATE="+s.log)
	p := s.start()
	s.must("ban", "203.0.113.7")
	p.Eventually("the ban is enforced", func() bool { return s.everywhere("203.0.113.7") })
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	p.Signal(syscall.SIGHUP)
	p.Says(0, "the state cannot be opened; what is enforced stays enforced")
	if err := os.Chmod(dir, 0o750); err != nil {
		t.Fatal(err)
	}
	s.must("ban", "203.0.113.8")
	p.Eventually("the daemon goes on", func() bool { return s.everywhere("203.0.113.8") && s.everywhere("203.0.113.7") })
}

func TestHangupMovesTheBansToANewChain(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	old, next := s.chain, s.chain+"-b"
	s.env = append(s.env, "RECONCILER_CHAIN=") // the file names it
	s.configure("chain: " + old + "\n")
	p := s.start()
	s.must("ban", "203.0.113.7")
	p.Eventually("the ban is enforced", func() bool { return s.onHost("203.0.113.7") })
	s.configure("chain: " + next + "\n")
	p.Signal(syscall.SIGHUP)
	s.chain = next
	p.Eventually("the ban is in the set of the new chain", func() bool { return s.onHost("203.0.113.7") && s.hasChain(next) })
	p.Eventually("the old chain is gone", func() bool { return !s.hasChain(old) })
	release, err := controller.Lock(old, hclog.NewNullLogger())
	if err != nil {
		t.Fatalf("the lock of the old chain is still held: %v", err)
	}
	if err := release(); err != nil {
		t.Error(err)
	}
}
