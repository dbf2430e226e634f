package ec2sim

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"time"
)

// shutdownTime is what calls that are under way get when the server stops.
const shutdownTime = 2 * time.Second

// Listen opens a TCP listener on a loopback address, such as 127.0.0.1:0. Any
// other address is refused: whoever reaches the server can change what is in
// it.
func Listen(addr string) (net.Listener, error) {
	a, err := netip.ParseAddrPort(addr)
	if err != nil {
		return nil, fmt.Errorf("listening for the simulated EC2: want an address and port such as 127.0.0.1:4566: %w", err)
	}
	if !a.Addr().IsLoopback() {
		return nil, fmt.Errorf("listening for the simulated EC2: %s is not a loopback address; use 127.0.0.1 or [::1]", addr)
	}
	l, err := net.Listen("tcp", a.String())
	if err != nil {
		return nil, fmt.Errorf("listening for the simulated EC2: %w", err)
	}
	return l, nil
}

// Serve answers on a listener until the context ends. Hanging calls are
// released then.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	srv := &http.Server{
		Handler:           s,
		ReadHeaderTimeout: 10 * time.Second,
		BaseContext:       func(net.Listener) context.Context { return context.WithoutCancel(ctx) },
	}
	failed := make(chan error, 1)
	go func() { failed <- srv.Serve(l) }()
	select {
	case err := <-failed:
		return fmt.Errorf("serving the simulated EC2: %w", err)
	case <-ctx.Done():
	}
	s.ReleaseAll()
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTime)
	defer cancel()
	err := srv.Shutdown(stop)
	if errors.Is(err, context.DeadlineExceeded) {
		err = srv.Close()
	}
	if end := <-failed; err == nil && !errors.Is(end, http.ErrServerClosed) {
		err = end
	}
	if err != nil {
		return fmt.Errorf("stopping the simulated EC2: %w", err)
	}
	return nil
}

// ListenAndServe is Listen and Serve in one.
func (s *Server) ListenAndServe(ctx context.Context, addr string) error {
	l, err := Listen(addr)
	if err != nil {
		return err
	}
	return s.Serve(ctx, l)
}
