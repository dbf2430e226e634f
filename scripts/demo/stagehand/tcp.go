package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"time"
)

// patience is how long a knock waits. A refusal comes at once; only dropped
// packets are waited for.
const patience = 2 * time.Second

// listen plays the bastion's sshd: it takes every connection and closes it.
func listen(ctx context.Context, out io.Writer, addresses []string) error {
	for _, address := range addresses {
		l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
		if err != nil {
			return fmt.Errorf("opening the bastion's port: %w", err)
		}
		go func() {
			for {
				conn, err := l.Accept()
				if err != nil {
					return
				}
				_ = conn.Close() // the stranger has seen enough
			}
		}()
	}
	if _, err := fmt.Fprintln(out, "ready"); err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}

// knock connects from one address to another; the error says why it could not.
func knock(ctx context.Context, out io.Writer, from, to string) error {
	source, err := netip.ParseAddr(from)
	if err != nil {
		return fmt.Errorf("knocking: %w", err)
	}
	dialer := net.Dialer{Timeout: patience, LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(source, 0))}
	conn, err := dialer.DialContext(ctx, "tcp", to)
	if err != nil {
		return fmt.Errorf("knocking: %w", err)
	}
	if _, err := fmt.Fprintln(out, "connected"); err != nil {
		return err
	}
	return conn.Close()
}
