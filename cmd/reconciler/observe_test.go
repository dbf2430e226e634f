package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
)

// freePort gives an address that nobody listens on.
func freePort(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close() //nolint:errcheck // nothing was sent
	return listener.Addr().String()
}

// ask gives status and body of a page, 0 when nobody serves it.
func ask(address, path string) (int, string) {
	answer, err := http.Get("http://" + address + path) //nolint:noctx // a test ends with its process
	if err != nil {
		return 0, err.Error()
	}
	defer answer.Body.Close() //nolint:errcheck // it was read
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		return 0, err.Error()
	}
	return answer.StatusCode, string(body)
}

func TestRunShowsFiguresWhereItIsAskedTo(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	address := freePort(t)
	p := s.start("--metrics", address)
	p.Eventually("it is ready", func() bool { status, _ := ask(address, "/readyz"); return status == http.StatusOK })
	s.must("ban", "--jail", "sshd", "203.0.113.7")
	p.Eventually("the ban is counted at both places", func() bool {
		_, body := ask(address, "/metrics")
		return strings.Contains(body, `reconciler_jail_bans{jail="sshd",place="both"} 1`)
	})
	_, body := ask(address, "/metrics")
	for _, want := range []string{
		fmt.Sprintf("reconciler_enforce_seconds_count{target=%q} ", s.acl), `reconciler_enforce_seconds_count{target="host"} `,
		`reconciler_api_calls_total{code="OK",operation="CreateNetworkAclEntry"} 1`, `reconciler_changes_total{action="add",result="ok",target="host"} 1`,
	} {
		if !strings.Contains(body, want) {
			t.Errorf("/metrics does not show %s:\n%s", want, body)
		}
	}
	p.Signal(syscall.SIGHUP)
	p.Says(0, "reload=true")
	p.Eventually("the figures go on after a reload", func() bool {
		_, body := ask(address, "/metrics")
		return strings.Contains(body, `reconciler_changes_total{action="add",result="ok",target="host"} 1`)
	})
}

func TestATakenAddressKeepsNoBanFromBeingEnforced(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close() //nolint:errcheck // nothing was sent
	p := s.start("--metrics", listener.Addr().String())
	p.Says(0, "no metrics for now")
	s.must("ban", "203.0.113.7")
	p.Eventually("the ban is enforced all the same", func() bool { return s.everywhere("203.0.113.7") })
}
