package ec2sim

import (
	"crypto/rand"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// MetadataMode says how the metadata service behaves.
type MetadataMode int

// The modes.
const (
	MetadataOn        MetadataMode = iota // IMDSv2 only
	MetadataOff                           // 404 to everything, as from some other web server
	MetadataForbidden                     // 403 to everything, as when it is disabled for the instance
	MetadataSilent                        // no answer until the caller gives up
	MetadataFailing                       // 500 to everything
)

// The life of a session token, in seconds ("Use the Instance Metadata Service").
const (
	minTokenTTL = 1
	maxTokenTTL = 21600
)

// Headers of IMDSv2.
const (
	headerToken    = "X-Aws-Ec2-Metadata-Token"             //nolint:gosec // the name of a header
	headerTokenTTL = "X-Aws-Ec2-Metadata-Token-Ttl-Seconds" //nolint:gosec // the name of a header
)

// metadata is the state of the metadata service.
type metadata struct {
	mu     sync.Mutex
	mode   MetadataMode
	tokens map[string]time.Time // until when each is good
	calls  []MetadataCall
}

// MetadataCall is one request to the metadata service.
type MetadataCall struct {
	Method string
	Path   string
	Status int // 0: no answer was sent
}

// SetMetadata changes how the metadata service behaves.
func (s *Server) SetMetadata(m MetadataMode) {
	s.imds.mu.Lock()
	defer s.imds.mu.Unlock()
	s.imds.mode = m
}

// MetadataCalls gives the requests to the metadata service so far.
func (s *Server) MetadataCalls() []MetadataCall {
	s.imds.mu.Lock()
	defer s.imds.mu.Unlock()
	return append([]MetadataCall(nil), s.imds.calls...)
}

// ExpireTokens makes every session token worthless.
func (s *Server) ExpireTokens() {
	s.imds.mu.Lock()
	defer s.imds.mu.Unlock()
	clear(s.imds.tokens)
}

// serveMetadata answers one request below /latest/.
func (s *Server) serveMetadata(w http.ResponseWriter, r *http.Request) {
	body, header, status := s.metadata(r)
	s.imds.mu.Lock()
	if len(s.imds.calls) < keptCalls {
		s.imds.calls = append(s.imds.calls, MetadataCall{Method: r.Method, Path: r.URL.Path, Status: status})
	}
	s.imds.mu.Unlock()
	if status == 0 {
		<-r.Context().Done()
		cut(w)
		return
	}
	for k, v := range header {
		w.Header().Set(k, v)
	}
	w.Header().Set("Server", "EC2ws")
	w.Header().Set("Content-Type", "text/plain")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, body) // the caller may have gone
}

// metadata decides the answer; status 0 is none.
func (s *Server) metadata(r *http.Request) (body string, header map[string]string, status int) {
	s.imds.mu.Lock()
	mode := s.imds.mode
	s.imds.mu.Unlock()
	switch mode {
	case MetadataOff:
		return "404 - Not Found", nil, http.StatusNotFound
	case MetadataForbidden:
		return "403 - Forbidden", nil, http.StatusForbidden
	case MetadataFailing:
		return "500 - Internal Server Error", nil, http.StatusInternalServerError
	case MetadataSilent:
		return "", nil, 0
	}
	if r.URL.Path == "/latest/api/token" {
		return s.newSession(r)
	}
	if r.Method != http.MethodGet {
		return "405 - Method Not Allowed", nil, http.StatusMethodNotAllowed
	}
	if !s.sessionHolds(r.Header.Get(headerToken)) {
		return "401 - Unauthorized", nil, http.StatusUnauthorized
	}
	s.mu.Lock()
	world := s.present()
	s.mu.Unlock()
	body, ok := listing(metadataLeaves(world, s.region, s.now()), strings.TrimPrefix(r.URL.Path, "/latest/"))
	if !ok {
		return "404 - Not Found", nil, http.StatusNotFound
	}
	return body, nil, http.StatusOK
}

// newSession gives out a token. A forwarded request gets none: that is how
// IMDSv2 keeps open proxies out.
func (s *Server) newSession(r *http.Request) (string, map[string]string, int) {
	if r.Method != http.MethodPut {
		return "405 - Method Not Allowed", nil, http.StatusMethodNotAllowed
	}
	if r.Header.Get("X-Forwarded-For") != "" {
		return "403 - Forbidden", nil, http.StatusForbidden
	}
	ttl, err := strconv.Atoi(r.Header.Get(headerTokenTTL))
	if err != nil || ttl < minTokenTTL || ttl > maxTokenTTL {
		return "400 - Bad Request", nil, http.StatusBadRequest
	}
	token := rand.Text() + rand.Text() + "=="
	s.imds.mu.Lock()
	defer s.imds.mu.Unlock()
	s.imds.tokens[token] = s.now().Add(time.Duration(ttl) * time.Second)
	return token, map[string]string{headerTokenTTL: strconv.Itoa(ttl)}, http.StatusOK
}

func (s *Server) sessionHolds(token string) bool {
	now := s.now()
	s.imds.mu.Lock()
	defer s.imds.mu.Unlock()
	for t, until := range s.imds.tokens {
		if !now.Before(until) {
			delete(s.imds.tokens, t)
		}
	}
	_, ok := s.imds.tokens[token]
	return ok
}
