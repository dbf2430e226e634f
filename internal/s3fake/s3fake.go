// Package s3fake is one S3 bucket in memory for tests: an HTTP handler for whole
// objects with S3's conditions on reads and writes, listings, and faults. That
// the program agrees with a real server is tested in test/s3.
package s3fake

import (
	"context"
	"encoding/xml"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"reconciler/internal/bucket"
	"reconciler/internal/ec2sim"
)

// Fault is what becomes of one request.
type Fault int

// The faults. "Before" means that the request has no effect, "after" that it has
// its effect and the caller is not told.
const (
	None       Fault = iota
	SlowDown         // 503, before
	FailBefore       // 500, before
	FailAfter        // 500, after
	CutBefore        // the connection ends, before
	CutAfter         // the connection ends, after
	Hang             // no answer until the caller gives up, before
)

// Server holds the objects. The zero value is not ready; use New.
type Server struct {
	// Weather decides what becomes of a request; nil: nothing goes wrong. It is
	// set before the first request.
	Weather func(*http.Request) Fault

	mu      sync.Mutex
	objects map[string]object
	version int
	calls   map[string]int
}

type object struct {
	body     string
	tag      string
	modified time.Time
}

// New gives an empty bucket.
func New() *Server { return &Server{objects: map[string]object{}, calls: map[string]int{}} }

// Body gives the content of an object; false: there is none.
func (s *Server) Body(key string) (string, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	o, there := s.objects[key]
	return o.body, there
}

// Write makes an object what somebody else wants, without a condition.
func (s *Server) Write(key, body string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.write(key, body)
}

// Calls gives the number of requests, by their kind: GET, PUT and LIST.
func (s *Server) Calls() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.calls)
}

// Client gives a client that reaches the bucket without a network. It works
// under testing/synctest.
func (s *Server) Client() *bucket.Client {
	return bucket.New(aws.Config{
		Region: "us-east-1", BaseEndpoint: aws.String("http://s3fake.invalid"),
		HTTPClient: &http.Client{Transport: ec2sim.InMemory(s)},
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "a", SecretAccessKey: "s"}, nil
		}),
	}, bucket.Options{Bucket: "bucket", PathStyle: true})
}

// ServeHTTP answers requests in the form /bucket/key, whatever the bucket's name.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler) // the caller has gone
	}
	fault := None
	if s.Weather != nil {
		fault = s.Weather(r)
	}
	switch fault {
	case SlowDown:
		refuse(w, http.StatusServiceUnavailable, "SlowDown")
		return
	case FailBefore:
		refuse(w, http.StatusInternalServerError, "InternalError")
		return
	case Hang:
		<-r.Context().Done()
		panic(http.ErrAbortHandler)
	case CutBefore:
		panic(http.ErrAbortHandler)
	}
	answer := s.effect(r, string(body))
	switch fault {
	case FailAfter:
		refuse(w, http.StatusInternalServerError, "InternalError")
	case CutAfter:
		panic(http.ErrAbortHandler)
	default:
		answer(w)
	}
}

// effect does what a request asks for and gives the answer to it.
func (s *Server) effect(r *http.Request, body string) func(http.ResponseWriter) {
	_, key, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case r.Method == http.MethodGet && r.URL.Query().Has("list-type"):
		s.calls["LIST"]++
		return s.list(r.URL.Query().Get("prefix"), r.URL.Query().Get("encoding-type") == "url")
	case r.Method == http.MethodGet:
		s.calls["GET"]++
		return s.get(key, r.Header.Get("If-None-Match"))
	case r.Method == http.MethodPut:
		s.calls["PUT"]++
		return s.put(key, r.Header, body)
	}
	return func(w http.ResponseWriter) { refuse(w, http.StatusMethodNotAllowed, "MethodNotAllowed") }
}

func (s *Server) get(key, unless string) func(http.ResponseWriter) {
	o, there := s.objects[key]
	return func(w http.ResponseWriter) {
		switch {
		case !there:
			refuse(w, http.StatusNotFound, "NoSuchKey")
		case unless == o.tag:
			w.WriteHeader(http.StatusNotModified)
		default:
			w.Header().Set("ETag", o.tag)
			w.Header().Set("Content-Length", fmt.Sprint(len(o.body)))
			w.Header().Set("Last-Modified", o.modified.UTC().Format(http.TimeFormat))
			_, _ = io.WriteString(w, o.body) // the caller may be gone
		}
	}
}

// put writes under the conditions of the request.
func (s *Server) put(key string, h http.Header, body string) func(http.ResponseWriter) {
	o, there := s.objects[key]
	if match := h.Get("If-Match"); match != "" && !there {
		return func(w http.ResponseWriter) { refuse(w, http.StatusNotFound, "NoSuchKey") }
	} else if match != "" && match != o.tag || h.Get("If-None-Match") == "*" && there {
		return func(w http.ResponseWriter) { refuse(w, http.StatusPreconditionFailed, "PreconditionFailed") }
	}
	tag := s.write(key, body)
	return func(w http.ResponseWriter) { w.Header().Set("ETag", tag) }
}

func (s *Server) write(key, body string) (tag string) {
	s.version++
	tag = fmt.Sprintf(`"%d"`, s.version)
	s.objects[key] = object{body, tag, time.Now()}
	return tag
}

// listing is the answer of ListObjectsV2.
type listing struct {
	XMLName      xml.Name `xml:"ListBucketResult"`
	EncodingType string   `xml:",omitempty"`
	Contents     []listed
}

type listed struct {
	Key  rawKey
	ETag string
	Size int
}

// rawKey is a key as it stands in the answer. S3 writes a control byte as a
// reference that XML does not allow, unless the form of a URL is asked for.
type rawKey struct {
	Text string `xml:",innerxml"`
}

func rawKeyOf(key string, asURL bool) rawKey {
	if asURL {
		return rawKey{strings.ReplaceAll(url.QueryEscape(key), "%2F", "/")}
	}
	var out strings.Builder
	for _, r := range key {
		if r < ' ' || strings.ContainsRune("<>&", r) {
			fmt.Fprintf(&out, "&#x%x;", r)
		} else {
			out.WriteRune(r)
		}
	}
	return rawKey{out.String()}
}

// list gives what lies directly under a prefix, on one page.
func (s *Server) list(prefix string, asURL bool) func(http.ResponseWriter) {
	var all listing
	if asURL {
		all.EncodingType = "url"
	}
	for _, key := range slices.Sorted(maps.Keys(s.objects)) {
		if rest, under := strings.CutPrefix(key, prefix); under && !strings.Contains(rest, "/") {
			all.Contents = append(all.Contents, listed{rawKeyOf(key, asURL), s.objects[key].tag, len(s.objects[key].body)})
		}
	}
	return func(w http.ResponseWriter) { _ = xml.NewEncoder(w).Encode(all) } // the caller may be gone
}

func refuse(w http.ResponseWriter, status int, code string) {
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(status)
	_, _ = fmt.Fprintf(w, `<?xml version="1.0" encoding="UTF-8"?><Error><Code>%s</Code><Message>made by a test</Message></Error>`, code)
}
