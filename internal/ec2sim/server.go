package ec2sim

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"time"
)

// DefaultQuota is AWS's default of rules per Network ACL, direction and family,
// default deny included (Amazon VPC quotas, L-2AEEBF1A).
const DefaultQuota = 20

// DefaultRegion is the region of a server whose Options name none.
const DefaultRegion = "eu-central-1"

// keptVersions is how many changes a stale read can look back.
const keptVersions = 256

// Options of a server. The zero value is the stock account.
type Options struct {
	Quota          int              // rules per direction and family; 0 is DefaultQuota
	Region         string           // empty is DefaultRegion
	PageSize       int              // results per page at most, whatever MaxResults asks for; 0: no such bound
	ConsistencyLag time.Duration    // every Describe answers what was true this long ago
	Throttle       bool             // refuse calls above EC2's documented rates
	Now            func() time.Time // the server's clock; nil is time.Now
}

// Server is one account in one region, and the metadata service of one
// instance. It is an http.Handler and safe for concurrent use.
type Server struct {
	region   string
	pageSize int
	now      func() time.Time

	mu       sync.Mutex // guards what follows
	history  []version  // the last one is the present
	lag      time.Duration
	throttle bool
	buckets  map[string]*bucket
	denied   map[string]bool
	path     string // the state file; empty: none
	serial   uint64 // of requests
	random   *rand.Rand

	faults faultBook
	ledger ledger
	imds   metadata
}

// version is the world from one moment on.
type version struct {
	since time.Time
	world *world
}

// New makes a server with nothing in it but an instance without interfaces.
func New(o Options) *Server {
	if o.Quota == 0 {
		o.Quota = DefaultQuota
	}
	if o.Region == "" {
		o.Region = DefaultRegion
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	s := &Server{
		region: o.Region, pageSize: o.PageSize, now: o.Now, lag: o.ConsistencyLag, throttle: o.Throttle,
		buckets: map[string]*bucket{}, denied: map[string]bool{},
		random: rand.New(rand.NewPCG(1, 2)), //nolint:gosec // it shuffles; runs should repeat
	}
	s.history = []version{{since: s.now(), world: newWorld(o.Quota)}}
	s.imds.mode = MetadataOn
	s.imds.tokens = map[string]time.Time{}
	return s
}

// ServeHTTP answers the metadata service below /latest/ and the Query API at /.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case strings.HasPrefix(r.URL.Path, "/latest/"):
		s.serveMetadata(w, r)
	case r.URL.Path == "/" || r.URL.Path == "":
		s.serveQuery(w, r)
	default:
		http.Error(w, "only the EC2 Query API at / and instance metadata below /latest/ are served here", http.StatusNotFound)
	}
}

// Region gives the region in which requests must be signed.
func (s *Server) Region() string { return s.region }

// Deny takes the permission for actions away, such as
// "DeleteNetworkAclEntry"; Allow gives it back.
func (s *Server) Deny(actions ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range actions {
		s.denied[a] = true
	}
}

// Allow gives the permission for actions back.
func (s *Server) Allow(actions ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range actions {
		delete(s.denied, a)
	}
}

// SetThrottle turns EC2's documented rates on or off, with full buckets.
func (s *Server) SetThrottle(on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.throttle = on
	s.buckets = map[string]*bucket{}
}

// SetConsistencyLag changes how old the answers of the Describe actions are.
func (s *Server) SetConsistencyLag(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lag = d
}

// present gives the world as it is. s.mu is held.
func (s *Server) present() *world { return s.history[len(s.history)-1].world }

// view gives the world that a read sees. s.mu is held.
func (s *Server) view(inj *Injection) *world {
	age, writes := s.lag, 0
	if inj.kind() == Stale {
		age, writes = max(age, inj.fault.Age), inj.fault.Writes
	}
	at := max(0, len(s.history)-1-writes)
	if age > 0 {
		limit := s.now().Add(-age)
		for at > 0 && s.history[at].since.After(limit) {
			at--
		}
	}
	return s.history[at].world
}

// commit makes a world the present one. With a state file it is written first:
// a change that cannot be kept is not made. s.mu is held.
func (s *Server) commit(w *world) error {
	if s.path != "" {
		if err := save(s.path, w); err != nil {
			return err
		}
	}
	if len(s.history) >= keptVersions {
		s.history = append([]version(nil), s.history[keptVersions/2:]...)
	}
	s.history = append(s.history, version{since: s.now(), world: w})
	return nil
}

// shuffle is rand.Shuffle with the server's own source. s.mu is held: only the
// reading and writing functions of a request use it.
func (s *Server) shuffle(n int, swap func(i, j int)) {
	s.random.Shuffle(n, swap)
}

// nextRequestID numbers the requests. s.mu is not held.
func (s *Server) nextRequestID() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.serial++
	return fmt.Sprintf("00000000-0000-4000-8000-%012x", s.serial)
}
