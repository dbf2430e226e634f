package main

import (
	"encoding/json"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"reconciler/internal/ec2sim"
	"reconciler/internal/testenv"
)

func TestRunEnforcesWhatAShellAppends(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	p := s.start()
	p.Eventually("the log is made", func() bool { return fileExists(s.log) })
	line := fmt.Sprintf(`{"op":"ban","ip":"203.0.113.7","jail":"sshd","host":"bastion","time":%d,"bantime":3600}`, time.Now().Unix())
	if out, err := exec.Command("sh", "-c", `printf '%s\n' "$1" >>"$2"`, "sh", line, s.log).CombinedOutput(); err != nil {
		t.Fatalf("appending with a shell: %v: %s", err, out)
	}
	p.Eventually("the ban is on the host and in the ACL", func() bool { return s.everywhere("203.0.113.7") })
	s.must("unban", "203.0.113.7")
	p.Eventually("the unban has lifted it from both", func() bool { return s.nowhere("203.0.113.7") })
	s.must("ban", "--bantime", "3", "203.0.113.8")
	p.Eventually("a short ban is enforced", func() bool { return s.everywhere("203.0.113.8") })
	p.Eventually("it is lifted when it ends", func() bool { return s.nowhere("203.0.113.8") })
}

func TestTheHostDoesNotWaitForEC2(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	hang := s.Inject(ec2sim.Fault{Kind: ec2sim.HangBefore, Action: "DescribeNetworkAcls", Count: ec2sim.Always})
	p := s.start()
	<-hang.Hit()
	s.must("ban", "203.0.113.7")
	p.Eventually("the ban is on the host while EC2 hangs", func() bool { return s.onHost("203.0.113.7") })
	if s.inACL("203.0.113.7") {
		t.Error("the ban is in an ACL that could not be described")
	}
	hang.Release()
	p.Eventually("the ban is in the ACL once EC2 answers", func() bool { return s.inACL("203.0.113.7") })
}

func TestTerminationLiftsNothing(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	p := s.start()
	s.must("ban", "203.0.113.7")
	p.Eventually("the ban is enforced", func() bool { return s.everywhere("203.0.113.7") })
	if status := p.Stop(syscall.SIGTERM); status != 0 {
		t.Errorf("after SIGTERM the daemon exits %d:\n%s", status, p.Said.String())
	}
	if !s.everywhere("203.0.113.7") {
		t.Error("the end of the daemon has lifted a ban")
	}
	p.Says(0, "stopped; what is enforced stays enforced")
	s.ResetCalls()
	s.must("apply")
	if n := len(s.Writes()); n != 0 {
		t.Errorf("an apply after the daemon's end makes %d calls, want none", n)
	}
}

func TestOnlyOneReconcilerKeepsAChainAndTheOthersAreToldWho(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	p := s.start()
	p.Says(0, "started")
	for _, args := range [][]string{{"run"}, {"apply"}} {
		_, stderr, status := s.run(args...)
		who := fmt.Sprintf("process %d", p.Pid())
		if status != 1 || !strings.Contains(stderr, who) || !strings.Contains(stderr, "stop it first") {
			t.Errorf("beside a daemon, `reconciler %s` exits %d and says: %s\nwant 1 and %q", args[0], status, stderr, who)
		}
	}
	if _, stderr, status := s.run("plan"); status != 0 {
		t.Errorf("beside a daemon, `reconciler plan` exits %d and says: %s", status, stderr)
	}
}

func TestAKilledDaemonLeavesAllInPlaceAndItsSuccessorGoesOn(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	p := s.start()
	s.must("ban", "203.0.113.7")
	p.Eventually("the ban is enforced", func() bool { return s.everywhere("203.0.113.7") })
	p.Stop(syscall.SIGKILL)
	s.must("ban", "203.0.113.8")
	s.ResetCalls()
	if !s.everywhere("203.0.113.7") {
		t.Error("the death of the daemon has lifted a ban")
	}
	p = s.start()
	p.Eventually("what came meanwhile is enforced", func() bool { return s.everywhere("203.0.113.8") })
	if n := len(s.Writes()); n != 1 || !s.everywhere("203.0.113.7") {
		t.Errorf("after a restart one new ban costs %d calls, want 1; the ACL:\n%s", n, s.rules())
	}
}

func TestPauseLiftsEverythingAndResumeBringsItBack(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	p := s.start()
	s.must("ban", "203.0.113.7")
	p.Eventually("the ban is enforced", func() bool { return s.everywhere("203.0.113.7") })
	s.must("pause")
	p.Eventually("a pause lifts it", func() bool { return s.nowhere("203.0.113.7") && !s.hasChain(s.chain) })
	s.must("resume")
	p.Eventually("a resume brings it back", func() bool { return s.everywhere("203.0.113.7") })
}

func TestAConfirmLetsWithheldRemovalsThrough(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	p := s.start()
	s.must("ban", "203.0.113.7")
	p.Eventually("the ban is enforced", func() bool { return s.everywhere("203.0.113.7") })
	testenv.Run(t, "", "ipset", "add", s.chain+"-v4", "198.18.0.1")
	p.Signal(syscall.SIGHUP) // it looks anew
	p.Says(0, "1 removals that no record explains are withheld")
	if !s.onHost("198.18.0.1") {
		t.Error("an entry that no record explains was removed")
	}
	s.must("confirm")
	p.Eventually("the confirm has let it through", func() bool { return !s.onHost("198.18.0.1") })
	if !s.everywhere("203.0.113.7") {
		t.Error("the confirm has lifted a ban")
	}
}

func TestTeardownIsDoneByTheRunningDaemon(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	p := s.start()
	s.must("ban", "203.0.113.7")
	p.Eventually("the ban is enforced", func() bool { return s.everywhere("203.0.113.7") })
	stdout, stderr, status := s.run("teardown")
	if status != 0 || !strings.Contains(stdout, "The running daemon has removed everything that is ours.") {
		t.Errorf("beside a daemon, `reconciler teardown` exits %d and says: %s%s", status, stdout, stderr)
	}
	if s.hasChain(s.chain) || !s.nowhere("203.0.113.7") {
		t.Errorf("after a teardown something of ours is left; the ACL:\n%s", s.rules())
	}
	s.must("resume")
	p.Eventually("the daemon still works", func() bool { return s.everywhere("203.0.113.7") })
}

func TestRunDrainsTheSpoolOnceTheDiskHasRoom(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	disk := filepath.Join(s.dir, "disk")
	mountTmpfs(t, disk, "256k")
	s.log = filepath.Join(disk, "bans.jsonl")
	s.env = append(s.env, "RECONCILER_STATE="+s.log)
	p := s.start()
	s.must("ban", "203.0.113.1")
	p.Eventually("the ban is enforced", func() bool { return s.everywhere("203.0.113.1") })
	fill(t, filepath.Join(disk, "ballast"), s.log)
	_, stderr, status := s.run("ban", "203.0.113.7")
	if status != 0 || !strings.Contains(stderr, "the records wait in") {
		t.Fatalf("on a full disk, `reconciler ban` exits %d and says: %s", status, stderr)
	}
	p.Eventually("a spooled ban is enforced", func() bool { return s.everywhere("203.0.113.7") })
	p.Signal(syscall.SIGHUP) // the state cannot be saved now, which must not end the daemon
	p.Says(0, "reload=true")
	if err := unix.Unlink(filepath.Join(disk, "ballast")); err != nil {
		t.Fatal(err)
	}
	p.Eventually("the spool is in the log", func() bool {
		spools, err := filepath.Glob(filepath.Join(s.dir, "run", "spool-*"))
		return err == nil && len(spools) == 0 && strings.Contains(readFile(t, s.log), `"203.0.113.7"`)
	})
}

func TestRunLogsInJSON(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	p := s.start("--log-json")
	s.must("ban", "--jail", "sshd", "203.0.113.7")
	p.Says(0, `"@message":"create"`)
	p.Stop(syscall.SIGTERM)
	created := false
	for line := range strings.Lines(p.Said.String()) {
		var entry map[string]any
		if err := json.Unmarshal([]byte(line), &entry); err != nil {
			t.Errorf("a line of the log is no JSON: %q", line)
			continue
		}
		if entry["@level"] == nil || entry["@message"] == nil || entry["@timestamp"] == nil {
			t.Errorf("a line of the log lacks its level, message or time: %s", line)
		}
		created = created || entry["@message"] == "create" && entry["target"] == s.acl &&
			entry["prefix"] == "203.0.113.7/32" && entry["why"] == "new ban" && entry["jails"] == "sshd"
	}
	if !created {
		t.Errorf("no line tells of the new entry, its jail and its reason:\n%s", p.Said.String())
	}
}
