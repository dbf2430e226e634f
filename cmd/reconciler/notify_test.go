package main

import (
	"net"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"reconciler/internal/testenv"
)

func TestSystemdIsToldOfReadinessStatusAndLife(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	path := filepath.Join(s.dir, "notify")
	socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = socket.Close() })
	var told testenv.Buffer
	go collect(socket, &told)
	s.env = append(s.env, "NOTIFY_SOCKET="+path, "WATCHDOG_USEC=400000")
	p := s.start()
	tells := func(words string) {
		t.Helper()
		p.Eventually("systemd is told "+words, func() bool { return strings.Contains(told.String(), words) })
	}
	tells("READY=1\n")
	tells("STATUS=health ok bans 0")
	tells("WATCHDOG=1\n")
	s.must("ban", "203.0.113.7")
	tells("STATUS=health ok bans 1 host 1")
	tells(s.acl + "/ipv4 1/18")
	s.must("pause")
	tells("STATUS=health paused")
	if strings.Count(told.String(), "READY=1") != 1 {
		t.Errorf("systemd is told of readiness not once:\n%s", told.String())
	}
	if status := p.Stop(syscall.SIGTERM); status != 0 {
		t.Errorf("the daemon exits %d", status)
	}
}

// collect writes each datagram as a line, until the socket is closed.
func collect(socket *net.UnixConn, into *testenv.Buffer) {
	buffer := make([]byte, 4096)
	for {
		n, err := socket.Read(buffer)
		if err != nil {
			return
		}
		_, _ = into.Write(append(buffer[:n:n], '\n'))
	}
}
