package desired

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// fakeStore is a store of objects with S3's rules for conditions, and with the
// weather that a test wants.
type fakeStore struct {
	mu      sync.Mutex
	objects map[string]Object
	version int
	calls   map[string]int
	// weather decides what becomes of a call: before its effect, and after it.
	weather func(call, key string) (before, after error)
}

var errWeather = errors.New("the line is dead")

func newFakeStore() *fakeStore {
	return &fakeStore{objects: map[string]Object{}, calls: map[string]int{}}
}

func (s *fakeStore) enter(ctx context.Context, call, key string) (after func(error) error, err error) {
	s.mu.Lock()
	s.calls[call]++
	weather := s.weather
	s.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if weather == nil {
		return func(err error) error { return err }, nil
	}
	early, late := weather(call, key)
	return func(err error) error {
		if late != nil {
			return late
		}
		return err
	}, early
}

func (s *fakeStore) Get(ctx context.Context, key, unless string, limit int64) (Object, error) {
	after, err := s.enter(ctx, "get", key)
	if err != nil {
		return Object{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	o, ok := s.objects[key]
	switch {
	case !ok:
		return Object{}, after(ErrNoObject)
	case unless == o.Tag:
		return Object{}, after(ErrSame)
	case int64(len(o.Body)) > limit:
		return Object{}, after(ErrTooLarge)
	}
	o.Body = slices.Clone(o.Body)
	return o, after(nil)
}

func (s *fakeStore) Put(ctx context.Context, key, tag string, body []byte) (string, error) {
	after, err := s.enter(ctx, "put", key)
	if err != nil {
		return "", err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if o, ok := s.objects[key]; ok != (tag != "") || o.Tag != tag {
		return "", after(ErrLostRace)
	}
	return s.set(key, string(body)), after(nil)
}

// set writes whatever the conditions.
func (s *fakeStore) set(key, body string) string {
	s.version++
	tag := fmt.Sprintf(`"%d"`, s.version)
	s.objects[key] = Object{Body: []byte(body), Tag: tag}
	return tag
}

func (s *fakeStore) put(key, body string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.set(key, body)
}

func (s *fakeStore) remove(key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.objects, key)
}

func (s *fakeStore) body(key string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return string(s.objects[key].Body)
}

func (s *fakeStore) count(call string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls[call]
}

func (s *fakeStore) List(ctx context.Context, prefix string, limit int) ([]Listed, error) {
	after, err := s.enter(ctx, "list", prefix)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []Listed
	for key, o := range s.objects {
		if rest, ok := strings.CutPrefix(key, prefix); ok && !strings.Contains(rest, "/") {
			all = append(all, Listed{Key: key, Tag: o.Tag, Size: int64(len(o.Body))})
		}
	}
	if len(all) > limit {
		return nil, after(ErrRefused)
	}
	return all, after(nil)
}

// down makes every call fail.
func (s *fakeStore) down(string, string) (before, after error) { return errWeather, nil }

func (s *fakeStore) setWeather(w func(call, key string) (before, after error)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.weather = w
}

// mustAddress parses an address.
func mustAddress(text string) Address {
	a, err := ParseAddress(text)
	if err != nil {
		panic(err)
	}
	return a
}

// station is a host with its spools, its snapshots and a clock of its own.
type station struct {
	t     testing.TB
	host  string
	dir   string
	store *fakeStore
	addr  Address
	now   time.Time
	lock  sync.Mutex
	r     *Remote
	limit int64
	small int64 // size that starts a compaction
}

func newStation(t testing.TB, store *fakeStore, address, host string) *station {
	s := &station{t: t, host: host, dir: t.TempDir(), store: store, addr: mustAddress(address), now: at(1000), limit: 1 << 20, small: 1 << 30}
	stations.Lock()
	defer stations.Unlock()
	stations.of[store] = append(stations.of[store], s)
	return s
}

// stations are those of each store, so that a test can empty all their spools.
var stations = struct {
	sync.Mutex
	of map[*fakeStore][]*station
}{of: map[*fakeStore][]*station{}}

func (s *station) outboxes() Outboxes {
	now := func() time.Time { return s.now }
	return Outboxes{
		{Path: OutboxPath(s.dir+"/spool", s.addr), Now: now},
		{Path: OutboxPath(s.dir+"/run", s.addr), Now: now},
	}
}

// open starts the daemon's side, or starts it again.
func (s *station) open() *station {
	s.t.Helper()
	s.close()
	var err error
	s.r, err = OpenRemote(RemoteOptions{
		Address: s.addr, Host: s.host, Target: true, Writing: true, CacheDir: s.dir + "/cache", Outboxes: s.outboxes(),
		Connect: func(context.Context) (Objects, error) { return s.store, nil }, Limit: s.limit, Timeout: time.Second,
		CompactAt: s.small, Now: func() time.Time { return s.now },
	}, &s.lock)
	if err != nil {
		s.t.Fatalf("opening %s on %s: %v", s.addr, s.host, err)
	}
	return s
}

func (s *station) close() {
	if s.r == nil {
		return
	}
	if err := s.r.Close(); err != nil {
		s.t.Fatalf("closing: %v", err)
	}
	s.r = nil
}

// record appends through the spool, as `ban` does.
func (s *station) record(lines ...string) {
	s.t.Helper()
	var recs []Record
	for _, line := range lines {
		rec, err := ParseRecord([]byte(line))
		if err != nil {
			s.t.Fatalf("%s: %v", line, err)
		}
		recs = append(recs, rec)
	}
	if spooled, err := s.outboxes().Append(s.t.Context(), recs...); err != nil || spooled != nil {
		s.t.Fatalf("appending to the spool of %s: %v %v", s.host, spooled, err)
	}
}

// turn does what the daemon does at each poll.
func (s *station) turn() error {
	look := s.r.Look(s.t.Context())
	deliver := s.r.Deliver(s.t.Context())
	condense := s.r.Condense(s.t.Context())
	return errors.Join(look, deliver, condense)
}

func (s *station) mustTurn() {
	s.t.Helper()
	if err := s.turn(); err != nil {
		s.t.Fatalf("a turn of %s: %v", s.host, err)
	}
}

// set gives what the host wants now.
func (s *station) set() Set {
	s.lock.Lock()
	defer s.lock.Unlock()
	s.r.Refresh(s.now)
	return Collect(s.now, s.r.States()...)
}

// bans gives the prefixes that the host wants, in one line.
func (s *station) bans() string {
	var all []string
	for _, b := range s.set().Bans {
		all = append(all, string(appendPrefix(nil, b.Prefix)))
	}
	return strings.Join(all, " ")
}

// wants checks the prefixes.
func (s *station) wants(sentence, bans string) {
	s.t.Helper()
	if got := s.bans(); got != bans {
		s.t.Errorf("%s: %s wants %q, not %q", sentence, s.host, got, bans)
	}
}

func banLine(ip, host string, second int) string {
	return fmt.Sprintf(`{"op":"ban","ip":%q,"jail":"j","host":%q,"time":%d,"bantime":100000}`, ip, host, second)
}

func timeNow() time.Time { return at(1000) }

func mustPrefix(text string) netip.Prefix { return netip.MustParsePrefix(text) }
