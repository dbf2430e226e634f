package main

import (
	"io/fs"
	"strings"
	"syscall"
	"testing"
)

// kept starts a daemon under a good configuration, which it keeps, and ends it.
func kept(t *testing.T) *site {
	t.Helper()
	s := newSite(t)
	s.configure("ignore: [203.0.113.0/24, \"2001:db8::/32\"]\nrules: 30-39\n")
	p := s.start()
	s.must("ban", "198.51.100.7")
	p.Eventually("the ban is enforced", func() bool { return s.everywhere("198.51.100.7") })
	p.Stop(syscall.SIGTERM)
	return s
}

func TestAStartWithABrokenConfigurationGoesOnWithTheLastGoodOne(t *testing.T) {
	t.Parallel()
	s := kept(t)
	s.configure("rules: 30-39\nignroe: []\n")
	p := s.start()
	p.Says(0, "the configuration cannot be used, and the last good one is in force")
	p.Says(0, `config.yaml:2: unknown key \"ignroe\"`)
	p.Says(0, "health=degraded")
	// Both come in one write, so when one is enforced the other had its chance.
	s.must("ban", "--state", s.log, "203.0.113.8", "198.51.100.8")
	p.Eventually("the daemon bans", func() bool { return s.everywhere("198.51.100.8") })
	if !s.nowhere("203.0.113.8") || !s.everywhere("198.51.100.7") {
		t.Error("the settings or the bans of the last good configuration are forgotten")
	}

	p.Stop(syscall.SIGTERM) // what was kept is not replaced by what is broken
	p = s.start()
	p.Says(0, "the last good one is in force")
	s.configure("rules: 30-39\n")
	p.Signal(syscall.SIGHUP)
	p.Says(0, "health=ok")
	p.Eventually("the new configuration is in force", func() bool { return s.everywhere("203.0.113.8") })
}

func TestAFirstStartWithABrokenConfigurationStaysDownWithOneClearLine(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.configure("quota: 20\nignroe: []\n")
	_, stderr, status := s.run("run")
	if status != 1 || strings.Count(stderr, "\n") != 1 || !strings.Contains(stderr, `config.yaml:2: unknown key "ignroe"`) {
		t.Errorf("a first start with a typo exits %d and says:\n%s", status, stderr)
	}
	if fileExists(s.log) {
		t.Error("a daemon that stays down has made its log")
	}
}

func TestVariablesAndFlagsAreNoPartOfTheCopy(t *testing.T) {
	t.Parallel()
	s := kept(t)
	s.configure("ignroe: []\n")
	_, stderr, status := s.run("run", "--rules", "90-1")
	if status != 1 || !strings.Contains(stderr, "flag --rules") {
		t.Errorf("with a bad flag the daemon exits %d and says:\n%s", status, stderr)
	}
}

func TestAStartDoesNotTakeTheCopyOfAnotherFile(t *testing.T) {
	t.Parallel()
	s := kept(t)
	writeFile(t, s.dir+"/other.yaml", "ignroe: []\n")
	_, stderr, status := s.run("run", "--config", s.dir+"/other.yaml")
	if status != 1 || !strings.Contains(stderr, "other.yaml:1") {
		t.Errorf("with another file the daemon exits %d and says:\n%s", status, stderr)
	}
}

func TestTheServiceMayReadWhatRootHasWritten(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		mode     fs.FileMode
		uid, gid uint32
		want     bool
	}{
		{0o644, 0, 0, true},
		{0o600, 0, 0, false},
		{0o640, 0, 0, false},
		{0o640, 0, 990, true},
		{0o604, 0, 990, false}, // its group counts, whatever others may
		{0o400, 990, 0, true},
		{0o044, 990, 990, false},
	} {
		if got := mayRead(tt.mode, tt.uid, tt.gid, "990", "990"); got != tt.want {
			t.Errorf("a file %o of %d:%d is readable to 990: %v", tt.mode, tt.uid, tt.gid, got)
		}
	}
}
