package s3

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync/atomic"
	"testing"
	"time"
)

// proxy stands between the program and the server and makes the weather.
type proxy struct {
	*httptest.Server
	t       testing.TB
	to      string
	weather atomic.Pointer[func(*http.Request) fault]
	calls   atomic.Int64
	watcher atomic.Pointer[func(func(string) string)]
	lost    atomic.Int64 // writes that were refused by their condition
	writes  atomic.Int64
}

// fault is what becomes of one request.
type fault int

const (
	fair     fault = iota
	dropped        // it takes effect, and its answer never comes
	conflict       // 409 ConditionalRequestConflict, without effect
	failed         // 412 PreconditionFailed, without effect
	slow           // 503 SlowDown, without effect
	cut            // the body of the answer ends early
	hung           // nothing comes until the client gives up
)

func startProxy(t testing.TB, to string) *proxy {
	p := &proxy{t: t, to: to}
	p.Server = httptest.NewServer(p)
	t.Cleanup(func() { p.CloseClientConnections(); p.Close() })
	return p
}

// foul makes each request go wrong with a chance, in every way in turn.
func (p *proxy) foul(chance float64) {
	weather := func(r *http.Request) fault {
		if rand.Float64() >= chance {
			return fair
		}
		if r.Method == http.MethodPut {
			return []fault{dropped, dropped, conflict, failed, slow, hung}[rand.IntN(6)]
		}
		return []fault{dropped, slow, cut, cut, hung}[rand.IntN(5)]
	}
	p.weather.Store(&weather)
}

// set decides each request alike; nil makes fair weather.
func (p *proxy) set(f fault) {
	weather := func(*http.Request) fault { return f }
	p.weather.Store(&weather)
}

// watch shows the headers of every write.
func (p *proxy) watch(see func(header func(string) string)) { p.watcher.Store(&see) }

// hangFor is how long a hanging request is held: longer than an attempt, and
// short enough for a test with many of them.
const hangFor = 1500 * time.Millisecond

func (p *proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.calls.Add(1)
	if see := p.watcher.Load(); see != nil && r.Method == http.MethodPut {
		(*see)(r.Header.Get)
	}
	what := fair
	if weather := p.weather.Load(); weather != nil {
		what = (*weather)(r)
	}
	switch what {
	case conflict:
		refuse(w, http.StatusConflict, "ConditionalRequestConflict")
		return
	case failed:
		refuse(w, http.StatusPreconditionFailed, "PreconditionFailed")
		return
	case slow:
		refuse(w, http.StatusServiceUnavailable, "SlowDown")
		return
	case hung:
		select {
		case <-r.Context().Done():
		case <-time.After(hangFor):
		}
		panic(http.ErrAbortHandler)
	}
	p.forward(w, r, what)
}

func (p *proxy) forward(w http.ResponseWriter, r *http.Request, what fault) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler) // the client is gone
	}
	// The effect must come even when the client gives up meanwhile.
	out, err := http.NewRequest(r.Method, p.to+r.URL.RequestURI(), newReader(body)) //nolint:noctx // see above
	if err != nil {
		p.t.Errorf("forwarding: %v", err)
		return
	}
	out.Header, out.Host, out.ContentLength = r.Header.Clone(), r.Host, int64(len(body))
	response, err := http.DefaultTransport.RoundTrip(out)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	defer response.Body.Close() //nolint:errcheck // it was only read
	answer, err := io.ReadAll(response.Body)
	if err != nil || what == dropped {
		panic(http.ErrAbortHandler)
	}
	if r.Method == http.MethodPut {
		p.writes.Add(1)
		if response.StatusCode == http.StatusPreconditionFailed {
			p.lost.Add(1)
		}
	}
	for name, values := range response.Header {
		w.Header()[name] = values
	}
	if what == cut && len(answer) > 1 {
		w.Header().Set("Content-Length", strconv.Itoa(len(answer)))
		w.WriteHeader(response.StatusCode)
		_, _ = w.Write(answer[:len(answer)/2])
		panic(http.ErrAbortHandler)
	}
	w.WriteHeader(response.StatusCode)
	_, _ = w.Write(answer) // the client may be gone
}

func refuse(w http.ResponseWriter, status int, code string) {
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(status)
	_, _ = fmt.Fprintf(w, `<?xml version="1.0" encoding="UTF-8"?><Error><Code>%s</Code><Message>weather</Message></Error>`, code)
}
