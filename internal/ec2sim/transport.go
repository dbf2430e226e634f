package ec2sim

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"syscall"
)

// Transport gives a way to the server without a network: each request runs the
// handler in a goroutine of its own. It blocks on channels alone, so it works
// under testing/synctest, where sockets do not.
func (s *Server) Transport() http.RoundTripper { return InMemory(s) }

// InMemory is Transport for any handler, which may cut a connection by a panic
// with http.ErrAbortHandler.
func InMemory(h http.Handler) http.RoundTripper { return transport{h} }

type transport struct{ handler http.Handler }

// RoundTrip gives up when the request's context ends; the handler sees that.
func (t transport) RoundTrip(r *http.Request) (*http.Response, error) {
	in := r.Clone(r.Context())
	if in.Body == nil {
		in.Body = http.NoBody
	}
	w := &answerWriter{header: http.Header{}}
	served := make(chan struct{})
	go func() {
		defer close(served)
		defer w.absorb()
		t.handler.ServeHTTP(w, in)
	}()
	select {
	case <-r.Context().Done():
		return nil, r.Context().Err()
	case <-served:
		_ = in.Body.Close() // it was read, or nobody wants it
	}
	return w.response(r)
}

// answerWriter collects one answer.
type answerWriter struct {
	header http.Header
	status int
	body   bytes.Buffer
	cut    bool
}

func (w *answerWriter) Header() http.Header { return w.header }
func (w *answerWriter) Flush()              {}

func (w *answerWriter) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
}

func (w *answerWriter) Write(b []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	return w.body.Write(b)
}

// absorb takes the panic by which a handler cuts the connection.
func (w *answerWriter) absorb() {
	switch v := recover(); v {
	case nil:
	case http.ErrAbortHandler:
		w.cut = true
	default:
		panic(v)
	}
}

func (w *answerWriter) response(r *http.Request) (*http.Response, error) {
	if w.cut && w.status == 0 {
		return nil, &net.OpError{Op: "read", Net: "tcp", Err: syscall.ECONNRESET}
	}
	w.WriteHeader(http.StatusOK)
	var body io.Reader = &w.body
	if w.cut {
		body = io.MultiReader(body, failing{io.ErrUnexpectedEOF})
	}
	return &http.Response{
		Status: http.StatusText(w.status), StatusCode: w.status,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: w.header, Body: io.NopCloser(body), ContentLength: -1, Request: r,
	}, nil
}

// failing is a reader that only fails.
type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }
