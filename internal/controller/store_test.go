package controller

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"reconciler/internal/config"
	"reconciler/internal/desired"
)

// depot is a store over logs in a directory, without the loop around it.
type depot struct {
	t      *testing.T
	config config.Config
	now    time.Time
	store  *FileStore

	portion func() func() bool // of a log; nil: all
}

func newDepot(t *testing.T, names ...string) *depot {
	t.Helper()
	dir := t.TempDir()
	d := &depot{t: t, now: time.Now(), config: config.Config{RunDir: filepath.Join(dir, "run"), CacheDir: dir, HostID: "bastion", CompactAt: 1 << 20}}
	for _, name := range names {
		d.config.State = append(d.config.State, filepath.Join(dir, name))
	}
	return d
}

// open starts the store; one that was open before dies without another word.
func (d *depot) open() error {
	d.t.Helper()
	d.die()
	store, err := openStore(d.config, true, d.now, ConnectS3, d.portion)
	if err != nil {
		return err
	}
	d.store = store
	d.t.Cleanup(func() { _ = store.Close() })
	return nil
}

func (d *depot) mustOpen() {
	d.t.Helper()
	if err := d.open(); err != nil {
		d.t.Fatalf("opening the state: %v", err)
	}
}

func (d *depot) die() {
	if d.store != nil {
		_ = d.store.Close()
		d.store = nil
	}
}

func (d *depot) ban(log int, addrs ...string) {
	d.t.Helper()
	var lines strings.Builder
	for _, a := range addrs {
		fmt.Fprintf(&lines, "{\"op\":\"ban\",\"ip\":%q,\"jail\":\"sshd\",\"host\":\"bastion\",\"time\":%d,\"bantime\":3600}\n", a, d.now.Unix())
	}
	f, err := os.OpenFile(d.config.State[log], os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o640)
	if err != nil {
		d.t.Fatal(err)
	}
	if _, err := f.WriteString(lines.String()); err != nil {
		d.t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		d.t.Fatal(err)
	}
}

func (d *depot) refresh() error {
	_, err := d.store.Refresh(d.now)
	return err
}

func (d *depot) mustRefresh() {
	d.t.Helper()
	if err := d.refresh(); err != nil {
		d.t.Fatalf("refreshing: %v", err)
	}
}

func (d *depot) wants(sentence string, addrs ...string) {
	d.t.Helper()
	var got []string
	for _, b := range d.store.Set(d.now).Bans {
		got = append(got, b.Prefix.Addr().String())
	}
	if fmt.Sprint(got) != fmt.Sprint(addrs) {
		d.t.Errorf("%s: wanted are %v, want %v", sentence, got, addrs)
	}
}

// What was read from a log is nowhere else once the log is lost, and the daemon
// may be killed before it saves for another reason.
func TestBansThatWereReadOutliveTheLossOfTheLogAndTheDeathOfTheDaemon(t *testing.T) {
	for name, lose := range map[string]func(log string) error{
		"removed":             os.Remove,
		"emptied":             func(log string) error { return os.Truncate(log, 0) },
		"writable by anybody": func(log string) error { return os.Chmod(log, 0o666) },
		"rotated":             func(log string) error { return errors.Join(os.Rename(log, log+".1"), os.WriteFile(log, nil, 0o640)) },
	} {
		for _, first := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s/first=%t", name, first), func(t *testing.T) {
				d := newDepot(t, "bans.jsonl")
				d.mustOpen()
				d.ban(0, "203.0.113.1")
				d.mustRefresh()
				if !first { // the snapshot knows less than the daemon then
					if err := d.store.Save(d.now); err != nil {
						t.Fatal(err)
					}
				}
				d.ban(0, "203.0.113.2")
				d.mustRefresh()
				if err := lose(d.config.State[0]); err != nil {
					t.Fatal(err)
				}
				if err := d.refresh(); !errors.Is(err, desired.ErrUnavailable) {
					t.Fatalf("the loss of the log is reported as: %v", err)
				}
				d.die()
				if name == "writable by anybody" {
					if err := os.Remove(d.config.State[0]); err != nil {
						t.Fatal(err)
					}
				}
				d.mustOpen()
				_ = d.refresh()
				d.wants("after a restart", "203.0.113.1", "203.0.113.2")
			})
		}
	}
}

func TestALogThatWasReplacedIsKnownToOthersOnceItWasTold(t *testing.T) {
	d := newDepot(t, "bans.jsonl")
	d.mustOpen()
	d.ban(0, "203.0.113.1")
	d.mustRefresh()
	if err := d.store.Save(d.now); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(d.config.State[0], 0); err != nil {
		t.Fatal(err)
	}
	if err := d.refresh(); !errors.Is(err, desired.ErrReplaced) {
		t.Fatalf("a log that was emptied is reported as: %v", err)
	}
	if words := fmt.Sprint(d.store.Set(d.now).Warnings); !strings.Contains(words, "not the one that was read before") {
		t.Errorf("the state was saved, and what happened is told no longer: %s", words)
	}
	reader, err := OpenStore(d.config, false, d.now)
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close() //nolint:errcheck // it only reads
	if _, err := reader.Refresh(d.now); err != nil {
		t.Errorf("the daemon has gone over to the new log, and `status` still says: %v", err)
	}
}

func TestTheFirstRecordsOfANewStateAreSavedSoon(t *testing.T) {
	d := newDepot(t, "bans.jsonl")
	d.mustOpen()
	d.ban(0, "203.0.113.1")
	d.mustRefresh()
	if err := d.store.Maintain(d.now); err != nil {
		t.Fatal(err)
	}
	d.die()
	if err := os.Remove(d.config.State[0]); err != nil {
		t.Fatal(err)
	}
	d.mustOpen()
	if err := d.refresh(); !errors.Is(err, desired.ErrUnavailable) {
		t.Errorf("a log that went while the daemon was dead is reported as: %v", err)
	}
	d.wants("after a restart", "203.0.113.1")
}

func TestABadLogBehindTheFirstStopsNothingAndCountsOnceItIsMended(t *testing.T) {
	for _, tc := range []struct {
		name  string
		spoil func(t *testing.T, log string) (mend func())
	}{
		{
			"its directory is missing",
			func(t *testing.T, log string) func() { return func() { makeDir(t, log) } },
		},
		{
			"another process is its writer",
			func(t *testing.T, log string) func() {
				makeDir(t, log)
				other := desired.NewFile(log)
				if _, err := other.Lock(); err != nil {
					t.Fatal(err)
				}
				return func() { _ = other.Close() }
			},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			d := newDepot(t, "bans.jsonl", "far/away/bans.jsonl")
			mend := tc.spoil(t, d.config.State[1])
			d.ban(0, "203.0.113.1")
			d.mustOpen()
			if err := d.refresh(); err == nil || d.store.Sources(d.now)[1].Error == "" {
				t.Errorf("the bad log is not reported: %v %+v", err, d.store.Sources(d.now))
			}
			d.wants("with a bad log behind it", "203.0.113.1")
			if err := errors.Join(d.store.Maintain(d.now), d.store.Save(d.now)); err != nil {
				t.Errorf("the good log cannot be saved: %v", err)
			}
			for _, dir := range d.store.Dirs() {
				if _, err := os.Stat(dir); err != nil {
					t.Errorf("a directory is to be watched that is not there: %v", err)
				}
			}
			mend()
			d.ban(1, "203.0.113.2")
			d.mustRefresh()
			d.wants("once it is mended", "203.0.113.1", "203.0.113.2")
		})
	}
}

func makeDir(t *testing.T, log string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(log), 0o750); err != nil {
		t.Fatal(err)
	}
}

func TestALogOnS3WhoseSnapshotsAnotherProcessKeepsStopsNothing(t *testing.T) {
	d := newDepot(t, "bans.jsonl")
	d.config.State = append(d.config.State, "s3://bucket/bans/")
	other := d.config
	other.State = []string{"s3://bucket/bans/"}
	holder, err := OpenStore(other, true, d.now)
	if err != nil {
		t.Fatal(err)
	}
	defer holder.Close() //nolint:errcheck // nothing was written
	d.ban(0, "203.0.113.1")
	d.mustOpen()
	if err := d.refresh(); !errors.Is(err, desired.ErrLocked) {
		t.Errorf("it is reported as: %v", err)
	}
	d.wants("without the log on S3", "203.0.113.1")
}
