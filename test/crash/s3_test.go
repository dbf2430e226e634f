//go:build e2e

package crash

import (
	"fmt"
	"maps"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"reconciler/internal/desired"
	"reconciler/internal/s3fake"
	"reconciler/internal/testenv"
	"reconciler/test/program"
)

const (
	bucketState = "s3://bucket/bans/"
	objectKey   = "bans/h.jsonl"
)

// station is a site whose log is an object in S3.
type station struct {
	*site
	s3  *s3fake.Server
	dir string // of the spool, the cache and the spool of a full disk
}

func newStation(t *testing.T) *station {
	t.Helper()
	s := &station{site: newSite(t), s3: s3fake.New(), dir: t.TempDir()}
	server := httptest.NewServer(s.s3)
	t.Cleanup(func() { server.CloseClientConnections(); server.Close() })
	s.env = append(s.env, "AWS_ENDPOINT_URL_S3="+server.URL, "RECONCILER_STATE="+bucketState, "RECONCILER_HOST_ID=h",
		"RECONCILER_SPOOL="+s.dir, "RECONCILER_CACHE_DIR="+s.dir, "RECONCILER_RUN_DIR="+filepath.Join(s.dir, "run"),
		"RECONCILER_S3_PATH_STYLE=true", "RECONCILER_COMPACT_AT=4KiB", "RECONCILER_HOST=none", "RECONCILER_NACL="+s.acl)
	s.args = slices.DeleteFunc(s.args, func(arg string) bool {
		return arg == "--state" || arg == s.state || arg == "--run-dir" || arg == filepath.Dir(s.state)
	})
	return s
}

// ban runs the command.
func (s *station) ban(t *testing.T, more []string, prefixes ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(reconcilerPath, append([]string{"ban", "--bantime", "1d", "--"}, prefixes...)...)
	cmd.Env = append(slices.Clone(s.env), more...)
	return cmd
}

func (s *station) mustBan(t *testing.T, at string, more []string, prefixes ...string) {
	t.Helper()
	if out, err := s.ban(t, more, prefixes...).CombinedOutput(); err != nil {
		t.Errorf("%s `ban` fails: %v\n%s", at, err, out)
	}
}

// content gives how often each prefix is in the object, and demands that every
// record is there once.
func (s *station) content(t *testing.T, at string) map[string]int {
	t.Helper()
	body, _ := s.s3.Body(objectKey)
	found, ids := map[string]int{}, map[desired.ID]bool{}
	for line := range strings.Lines(body) {
		rec, err := desired.ParseRecord([]byte(strings.TrimSuffix(line, "\n")))
		if err != nil {
			t.Errorf("%s the object holds the line %q: %v", at, line, err)
			continue
		}
		if rec.Op != desired.OpBan {
			continue
		}
		if ids[rec.ID] {
			t.Errorf("%s the object has the record %v twice", at, rec.ID)
		}
		ids[rec.ID] = true
		found[rec.Prefix.String()]++
	}
	return found
}

// spooled gives the text of the spools.
func (s *station) spooled(t *testing.T) string {
	t.Helper()
	var all strings.Builder
	for _, dir := range []string{s.dir, filepath.Join(s.dir, "run")} {
		paths, err := filepath.Glob(filepath.Join(dir, "spool-*.jsonl"))
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range paths {
			text, err := os.ReadFile(path)
			if err != nil {
				continue // it was emptied meanwhile
			}
			all.Write(text)
		}
	}
	return all.String()
}

// nothingLost demands each ban in the object or in a spool.
func (s *station) nothingLost(t *testing.T, at string, bans ...string) {
	t.Helper()
	found, waiting := s.content(t, at), s.spooled(t)
	for _, p := range bans {
		address, _, _ := strings.Cut(p, "/")
		if found[p] == 0 && !strings.Contains(waiting, `"`+address) {
			t.Errorf("%s the ban of %s is lost: the object has %v, the spool %s", at, p, slices.Sorted(maps.Keys(found)), waiting)
		}
	}
}

// delivered says that no record waits.
func (s *station) delivered(t *testing.T) bool {
	return !strings.Contains(s.spooled(t), `"op":"ban"`)
}

// wantOnce demands each ban once in the object.
func (s *station) wantOnce(t *testing.T, at string, bans ...string) {
	t.Helper()
	found := s.content(t, at)
	for _, p := range bans {
		if found[p] != 1 {
			t.Errorf("%s the object has %d records of %s, want one", at, found[p], p)
		}
	}
}

// onlyKnown demands that no file is left but the spool, its lock, and the cache.
func (s *station) onlyKnown(t *testing.T, at string) {
	t.Helper()
	err := filepath.WalkDir(s.dir, func(path string, d os.DirEntry, err error) error {
		name := d.Name()
		known := d.IsDir() || name == "lock" || strings.HasSuffix(name, ".config") ||
			strings.HasPrefix(name, "host-") && (strings.HasSuffix(name, ".snap") || strings.HasSuffix(name, ".snap.held")) ||
			strings.HasPrefix(name, "spool-") && (strings.HasSuffix(name, ".jsonl") || strings.HasSuffix(name, ".deliver"))
		if err == nil && !known {
			t.Errorf("%s a file is left: %s", at, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// longOver are the lines of bans that are over, so many that a compaction is due.
func longOver() string {
	var b strings.Builder
	for i := range 60 {
		fmt.Fprintf(&b, `{"op":"ban","ip":"192.0.2.%d","jail":"sshd","host":"h","time":%d,"bantime":60,"id":"old-%d"}`+"\n",
			i+1, time.Now().Add(-48*time.Hour).Unix(), i+1)
	}
	return b.String()
}

// The daemon delivers what is in the spools, reads the object, makes it small and
// enforces it.
func TestADeliveryAndACompactionInS3ThatDieAnywhereLoseAndDoubleNothing(t *testing.T) {
	testenv.Need(t)
	var s *station
	wanted := manyPrefixes(4)
	arrange := func(t *testing.T) *exec.Cmd {
		s = newStation(t)
		s.s3.Write(objectKey, longOver()+strings.ReplaceAll(program.Lines(wanted[0]), "}\n", `,"id":"old-100"}`+"\n"))
		s.mustBan(t, "before all", nil, wanted[1], wanted[2])
		s.mustBan(t, "before all", nil, wanted[3])
		return s.daemon(t)
	}
	goal := func() bool {
		body, _ := s.s3.Body(objectKey)
		return s.ready.Load() && s.delivered(t) && strings.Contains(body, `"id":"compaction-`) && len(s.edge()) == s.room
	}
	everyPointUntil(t, arrange, goal, kill, func(t *testing.T, at string, _ bool) {
		s.nothingLost(t, at, wanted...)
		s.safe(t, at, nil, wanted)
		s.mustBan(t, at, nil, "203.0.113.7")
		wider := append(slices.Clone(wanted), "203.0.113.7/32")
		reach(t, at, s.daemon(t), goal)
		s.wantOnce(t, at+", after the next run,", wider...)
		s.onlyKnown(t, at+", after the next run,")
	})
}

// A ban that goes to S3 at once. One that exits 0 is there; the daemon delivers
// what fell back to the spool.
func TestABanToS3ThatDiesAnywhereLosesAndDoublesNothing(t *testing.T) {
	testenv.Need(t)
	direct := []string{"RECONCILER_SPOOL=none"}
	var s *station
	arrange := func(t *testing.T) *exec.Cmd {
		s = newStation(t)
		s.mustBan(t, "before all", direct, "203.0.113.1")
		return s.ban(t, direct, "203.0.113.7")
	}
	everyPoint(t, arrange, kill, func(t *testing.T, at string, done bool) {
		s.nothingLost(t, at, "203.0.113.1/32")
		if done {
			s.nothingLost(t, at, "203.0.113.7/32")
		}
		s.mustBan(t, at, direct, "203.0.113.8")
		if found := s.content(t, at); found["203.0.113.7/32"] > 1 {
			t.Errorf("%s the object has the ban %d times", at, found["203.0.113.7/32"])
		}
		s.wantOnce(t, at+", after the next ban,", "203.0.113.1/32", "203.0.113.8/32")
		s.onlyKnown(t, at)
	})
}
