//go:build e2e

package bastion

import (
	"bufio"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
)

// sshTime bounds one connection of an attacker, in which a wrong password costs
// two seconds each.
const sshTime = 30 * time.Second

// login tries a password up to so many times, in one connection.
func (n *internet) login(from netip.Addr, user string, tries int) error {
	conn, err := n.dial(context.Background(), from, port(from), entryTime)
	if err != nil {
		return err
	}
	defer conn.Close() //nolint:errcheck // whatever came of it
	if err := conn.SetDeadline(time.Now().Add(sshTime)); err != nil {
		return err
	}
	wrong := ssh.PasswordCallback(func() (string, error) { return "letmein", nil })
	_, _, _, err = ssh.NewClientConn(conn, port(from).String(), &ssh.ClientConfig{
		User: user, Auth: []ssh.AuthMethod{ssh.RetryableAuthMethod(wrong, tries)},
		HostKeyCallback: ssh.InsecureIgnoreHostKey(), // the bastion's key is made with its root
	})
	if err == nil {
		return errors.New("the bastion takes a wrong password")
	}
	return nil // refused, or cut off amid the attempt
}

// attack guesses passwords until the bastion takes no connection any more.
func (n *internet) attack(from netip.Addr) error {
	for end := time.Now().Add(patience); time.Now().Before(end); {
		if err := n.login(from, "admin", 3); err != nil {
			var timeout net.Error
			if errors.As(err, &timeout) && timeout.Timeout() || isRefused(err) {
				return nil
			}
			return err
		}
	}
	return fmt.Errorf("%s has attacked for %s and is not blocked", from, patience)
}

// identity is the friend's key.
type identity struct{ signer ssh.Signer }

func newIdentity(t *testing.T) *identity {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return &identity{signer}
}

// authorized is the line for authorized_keys.
func (i *identity) authorized() string { return string(ssh.MarshalAuthorizedKey(i.signer.PublicKey())) }

// session is a friend at work: what they type comes back.
type session struct {
	client *ssh.Client
	stop   chan struct{}
	over   sync.WaitGroup

	mu     sync.Mutex
	echoes int
	broken error
}

// Echoes come within milliseconds; a stall of this length is a break.
const (
	echoEvery = 200 * time.Millisecond
	echoTime  = 15 * time.Second
)

// work logs in with the key and types until the session is ended.
func (n *internet) work(from netip.Addr, who *identity) (*session, error) {
	conn, err := n.dial(context.Background(), from, port(from), entryTime)
	if err != nil {
		return nil, fmt.Errorf("a friend at %s connects: %w", from, err)
	}
	if err := conn.SetDeadline(time.Now().Add(sshTime)); err != nil {
		return nil, err
	}
	transport, chans, requests, err := ssh.NewClientConn(conn, port(from).String(), &ssh.ClientConfig{
		User: "root", Auth: []ssh.AuthMethod{ssh.PublicKeys(who.signer)},
		HostKeyCallback: ssh.InsecureIgnoreHostKey(), // the bastion's key is made with its root
	})
	if err != nil {
		_ = conn.Close() // it is of no use
		return nil, fmt.Errorf("a friend at %s logs in: %w", from, err)
	}
	s := &session{client: ssh.NewClient(transport, chans, requests), stop: make(chan struct{})}
	shell, err := s.client.NewSession()
	if err != nil {
		return nil, err
	}
	in, err := shell.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := shell.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := shell.Start("cat"); err != nil {
		return nil, fmt.Errorf("a friend at %s starts a program: %w", from, err)
	}
	s.over.Go(func() { s.typing(conn, in, bufio.NewScanner(out)) })
	return s, nil
}

// typing writes a line and waits for its echo, again and again.
func (s *session) typing(conn net.Conn, in io.Writer, out *bufio.Scanner) {
	for i := 0; ; i++ {
		line := fmt.Sprintf("line %d", i)
		err := conn.SetDeadline(time.Now().Add(echoTime))
		if err == nil {
			_, err = in.Write([]byte(line + "\n"))
		}
		if err == nil && (!out.Scan() || out.Text() != line) {
			err = fmt.Errorf("no echo of %q: %w", line, errors.Join(out.Err(), net.ErrClosed))
		}
		s.mu.Lock()
		if err != nil {
			s.broken = err
			s.mu.Unlock()
			return
		}
		s.echoes++
		s.mu.Unlock()
		select {
		case <-s.stop:
			return
		case <-time.After(echoEvery):
		}
	}
}

// state gives how many lines have come back, and what ended the session.
func (s *session) state() (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.echoes, s.broken
}

// end logs out. A session that the machine's reboot has cut is ended too.
func (s *session) end() {
	close(s.stop)
	_ = s.client.Close() // it may be cut already
	s.over.Wait()
}
