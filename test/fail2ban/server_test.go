package fail2ban

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"reconciler/internal/testenv"
)

// patience bounds each wait. fail2ban itself works in steps of seconds.
const patience = 60 * time.Second

// bantime of jail door, in seconds. In jail repeat a ban lasts 3 s at first.
const bantime = 3600

const jails = `
[DEFAULT]
backend = polling
usedns = no
ignoreself = false
findtime = 1h
maxretry = 1
action = reconciler[reconciler="%[1]s", state="%[2]s"]

[door]
enabled = true
filter = door
logpath = %[3]s/door.log
bantime = 3600

[repeat]
enabled = true
filter = door
logpath = %[3]s/repeat.log
bantime = 3
bantime.increment = true
`

const filter = `
[Definition]
failregex = ^ knock from <ADDR>$
datepattern = {^LN-BEG}EPOCH
`

// server is a fail2ban of its own: sockets, files and database are private.
type server struct {
	t      *testing.T
	dir    string // holds everything, and is the working directory
	state  string // the log that the action appends to
	prog   program
	binary string
	client string
	done   chan struct{} // closed when the process has ended
	ended  error         // how it did; to be read only after done
	output *bytes.Buffer // likewise
}

func newServer(t *testing.T, prog program) *server {
	t.Helper()
	s := &server{t: t, prog: prog, binary: testenv.NeedProgram(t, "fail2ban-server"), client: testenv.NeedProgram(t, "fail2ban-client"), dir: t.TempDir()}
	s.state = filepath.Join(s.dir, "bans.jsonl")
	config := configDir(t)
	if err := os.Rename(config, filepath.Join(s.dir, "cfg")); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(s.dir, "cfg", "jail.local"), fmt.Sprintf(jails, prog.path, s.state, s.dir))
	write(t, filepath.Join(s.dir, "cfg", "filter.d", "door.conf"), filter)
	write(t, filepath.Join(s.dir, "cfg", "fail2ban.local"), fmt.Sprintf(
		"[Definition]\nloglevel = INFO\nlogtarget = %[1]s/f2b.log\nsyslogsocket = none\nsocket = %[1]s/f2b.sock\npidfile = %[1]s/f2b.pid\ndbfile = %[1]s/f2b.sqlite3\n", s.dir))
	write(t, filepath.Join(s.dir, "door.log"), "")
	write(t, filepath.Join(s.dir, "repeat.log"), "")
	return s
}

// start runs the server in the foreground, so that it ends with the test.
func (s *server) start() {
	s.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	s.t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, s.binary, s.args("-x", "-f", "start")...)
	cmd.Dir = s.dir
	cmd.Env = append([]string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8", "GORACE=atexit_sleep_ms=0"}, s.prog.env...)
	s.output = &bytes.Buffer{}
	cmd.Stdout, cmd.Stderr = s.output, s.output
	if err := cmd.Start(); err != nil {
		s.t.Fatalf("starting fail2ban: %v", err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.ended = cmd.Wait()
	}()
	s.done = done
	s.t.Cleanup(func() {
		cancel()
		<-done // how it ended was said in stop, or does not matter
	})
	s.wait("fail2ban answers", func() bool {
		return exec.Command(s.client, s.args("status", "repeat")...).Run() == nil
	})
}

// stop ends the server as a service manager does, and waits for its end.
func (s *server) stop() {
	s.t.Helper()
	s.do("stop")
	select {
	case <-s.done:
		if s.ended != nil {
			s.t.Fatalf("fail2ban ended with %v:\n%s", s.ended, s.output)
		}
	case <-time.After(patience):
		s.t.Fatalf("fail2ban does not stop:\n%s", s.log())
	}
}

func (s *server) args(words ...string) []string {
	return append([]string{"-c", filepath.Join(s.dir, "cfg"), "-s", filepath.Join(s.dir, "f2b.sock"), "-p", filepath.Join(s.dir, "f2b.pid")}, words...)
}

// do gives fail2ban a command.
func (s *server) do(words ...string) {
	s.t.Helper()
	if out, err := exec.Command(s.client, s.args(words...)...).CombinedOutput(); err != nil {
		s.t.Fatalf("fail2ban-client %q: %v: %s\n%s", words, err, out, s.log())
	}
}

// knock writes a failure into the log that a jail watches.
func (s *server) knock(jail, address string) {
	s.t.Helper()
	f, err := os.OpenFile(filepath.Join(s.dir, jail+".log"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		s.t.Fatal(err)
	}
	if _, err := fmt.Fprintf(f, "%d knock from %s\n", time.Now().Unix(), address); err != nil {
		s.t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		s.t.Fatal(err)
	}
}

// entries gives what was recorded for one jail.
func (s *server) entries(jail string) []entry {
	s.t.Helper()
	data, err := os.ReadFile(s.state)
	if err != nil && !os.IsNotExist(err) {
		s.t.Fatal(err)
	}
	var list []entry
	for line := range strings.Lines(string(data)) {
		if strings.TrimSpace(line) == "" || !strings.HasSuffix(line, "\n") {
			continue // a write in progress
		}
		var e entry
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			s.t.Fatalf("the action wrote %q: %v", line, err)
		}
		if e.Jail == jail {
			list = append(list, e)
		}
	}
	return list
}

func (s *server) log() string {
	data, err := os.ReadFile(filepath.Join(s.dir, "f2b.log"))
	if err != nil {
		return err.Error()
	}
	return string(data)
}

func (s *server) wait(what string, ok func() bool) {
	s.t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if ok() {
			return
		}
	}
	s.t.Fatalf("in vain waited until %s; fail2ban says:\n%s", what, tail(s.log()))
}
