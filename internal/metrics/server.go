package metrics

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"reconciler/internal/plan"
)

const (
	// stalled is how old the latest view may be: the loop turns each second.
	stalled = 30 * time.Second
	// bindRetry is the pause before an address that is taken is tried again.
	bindRetry = 10 * time.Second
	// requestTimeout bounds a request. The figures of 100,000 bans take well
	// under a second.
	requestTimeout = 10 * time.Second
)

// Handler serves /metrics, /healthz and /readyz.
func (m *Metrics) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{MaxRequestsInFlight: 2}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { answer(w, m.alive()) })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) { answer(w, m.ready()) })
	return mux
}

func answer(w http.ResponseWriter, problem string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	if problem == "" {
		fmt.Fprintln(w, "ok") //nolint:errcheck // the client has gone
		return
	}
	w.WriteHeader(http.StatusServiceUnavailable)
	fmt.Fprintln(w, problem) //nolint:errcheck // the client has gone
}

// alive says what is wrong with the process; "" is nothing.
func (m *Metrics) alive() string {
	view, _ := m.latest()
	if view.At.IsZero() {
		return "the loop has not started yet"
	}
	if age := m.now().Sub(view.At); age > stalled {
		return fmt.Sprintf("the loop has not turned for %s", age.Round(time.Second))
	}
	return ""
}

// ready says why the bans are not enforced on this host; "" is that they are.
// An ACL that fails is no reason: the host enforces everything meanwhile.
func (m *Metrics) ready() string {
	if problem := m.alive(); problem != "" {
		return problem
	}
	view, targets := m.latest()
	if !view.Ready {
		return "the first order has not been carried out yet"
	}
	if host, ok := targets[plan.HostTarget]; ok && !host.healthy {
		return "the host's firewall could not be made right; see `reconciler status` and the log"
	}
	return ""
}

// Serve serves the handler on an address until the context is done. Metrics
// must never keep bans from being enforced: an address that cannot be had is
// told to trouble, once until it changes, and tried again. trouble gets nil
// when it is served.
func (m *Metrics) Serve(ctx context.Context, address string, trouble func(error)) {
	said := ""
	for {
		listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
		if err == nil {
			said = ""
			trouble(nil)
			err = m.serveOn(ctx, listener)
		}
		if ctx.Err() != nil {
			return
		}
		if err = fmt.Errorf("serving metrics on %s: %w", address, err); err.Error() != said {
			said = err.Error()
			trouble(err)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(bindRetry):
		}
	}
}

func (m *Metrics) serveOn(ctx context.Context, listener net.Listener) error {
	server := &http.Server{
		Handler: m.Handler(), ReadHeaderTimeout: requestTimeout, ReadTimeout: requestTimeout,
		WriteTimeout: requestTimeout, IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10,
	}
	stop := context.AfterFunc(ctx, func() { _ = server.Close() }) // which is what ends Serve
	defer stop()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

func seconds(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }
