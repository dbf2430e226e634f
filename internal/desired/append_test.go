package desired

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"reconciler/internal/testenv"
)

func banOf(ip string) Record {
	return Record{Op: OpBan, Prefix: netip.MustParsePrefix(ip + "/32"), Time: at(1900), Bantime: 86400}
}

func (b *bench) append(recs ...Record) *Spooled {
	b.t.Helper()
	spooled, err := b.file.Append(context.Background(), recs...)
	if err != nil {
		b.t.Fatalf("appending: %v", err)
	}
	return spooled
}

func TestAppendMakesTheLogAndItsDirectory(t *testing.T) {
	b := newBench(t)
	dir := filepath.Join(filepath.Dir(b.path), "new")
	f := NewFile(filepath.Join(dir, "bans.jsonl"))
	f.Now = func() time.Time { return at(77) }
	if _, err := f.Append(context.Background(), Record{Op: OpPause}, banOf("192.0.2.1")); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(f.Path)
	want := `{"op":"pause","time":77}` + "\n" + `{"op":"ban","ip":"192.0.2.1","time":1900,"bantime":86400}` + "\n"
	if err != nil || string(text) != want {
		t.Errorf("the log holds %q, %v", text, err)
	}
	for path, mode := range map[string]os.FileMode{dir: os.ModeDir | dirMode, f.Path: fileMode} {
		if info, err := os.Stat(path); err != nil || info.Mode() != mode {
			t.Errorf("%s is %v, %v", path, info.Mode(), err)
		}
	}
}

func TestANewLogTakesItsDirectorysOwner(t *testing.T) {
	testenv.NeedRoot(t)
	b := newBench(t)
	dir := filepath.Join(filepath.Dir(b.path), "owned")
	if err := errors.Join(os.Mkdir(dir, 0o750), os.Chown(dir, 0, 4321)); err != nil {
		t.Fatal(err)
	}
	f := NewFile(filepath.Join(dir, "bans.jsonl"))
	release, err := f.Lock()
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	if err := f.Load(context.Background(), b.now, true); err != nil {
		t.Fatal(err)
	}
	if err := f.SaveSnapshot(Memory{}, b.now); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{f.Path, f.snapPath()} {
		var st unix.Stat_t
		if err := unix.Stat(path, &st); err != nil || st.Gid != 4321 {
			t.Errorf("%s has the group %d, %v", path, st.Gid, err)
		}
	}
}

func TestAppendGoesOnAfterATornLine(t *testing.T) {
	b := newBench(t)
	b.write(`{"op":"ban","ip":"192.0`)
	b.append(banOf("192.0.2.1"))
	b.append(banOf("192.0.2.2"))
	b.load(false)
	b.want("192.0.2.1 192.0.2.2")
	if bad := b.file.Bad(); len(bad) != 1 || bad[0].Line != 1 || b.file.Health().Lines != 3 {
		t.Errorf("the bad lines are %v of %d", bad, b.file.Health().Lines)
	}
}

func TestAppendWritesNothingThatAReaderWouldRefuse(t *testing.T) {
	b := newBench(t)
	for _, rec := range []Record{
		{},
		{Op: OpBan},
		{Op: OpBan, Prefix: netip.MustParsePrefix("0.0.0.0/0")},
		{Op: OpStop, Host: "a b"},
		{Op: OpFlush, Prefix: netip.MustParsePrefix("192.0.2.1/32")},
	} {
		if _, err := b.file.Append(context.Background(), banOf("192.0.2.1"), rec); err == nil {
			t.Errorf("%+v is written", rec)
		}
	}
	if _, err := os.Stat(b.path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("something was written: %v", err)
	}
}

func TestAppendWaitsForTheLockUntilItsContextEnds(t *testing.T) {
	b := newBench(t)
	b.load(true)
	log, err := os.Open(b.path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = log.Close() }()
	if err := unix.Flock(int(log.Fd()), unix.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	if _, err := b.file.Append(ctx, banOf("192.0.2.1")); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the error is %v", err)
	}
	done := make(chan error, 1)
	go func() {
		_, err := b.file.Append(context.Background(), banOf("192.0.2.2"))
		done <- err
	}()
	if err := unix.Flock(int(log.Fd()), unix.LOCK_UN); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Errorf("after the lock was free: %v", err)
	}
	b.refresh()
	b.want("192.0.2.2")
}

func TestUnsafeFilesAreRefusedWithTheMend(t *testing.T) {
	for _, tc := range []struct {
		name  string
		plant func(path string) error
		is    error
		says  string
	}{
		{"a symbolic link", func(p string) error { return os.Symlink("/etc/passwd", p) }, ErrSymlink, "points to"},
		{"a directory", func(p string) error { return os.Mkdir(p, 0o750) }, nil, ""},
		{"a FIFO", func(p string) error { return unix.Mkfifo(p, 0o640) }, ErrNotRegular, "move it away"},
		{"writable by everyone", func(p string) error { return errors.Join(os.WriteFile(p, nil, 0o640), os.Chmod(p, 0o666)) }, ErrWorldWritable, "chmod o-w"},
		{"in a directory that is a symbolic link", func(p string) error {
			dir := filepath.Dir(p)
			return errors.Join(os.Rename(dir, dir+"-real"), os.Symlink(dir+"-real", dir))
		}, ErrSymlink, "name the directory that it points to"},
		{"in a directory that everyone may write to", func(p string) error { return os.Chmod(filepath.Dir(p), 0o777) }, ErrWorldWritable, "chmod o-w"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			b := newBench(t)
			if err := tc.plant(b.path); err != nil {
				t.Fatal(err)
			}
			_, err := b.file.Append(context.Background(), banOf("192.0.2.1"))
			if err == nil || tc.is != nil && !errors.Is(err, tc.is) || !strings.Contains(err.Error(), tc.says) || !strings.Contains(err.Error(), filepath.Dir(b.path)) {
				t.Errorf("appending gives %v", err)
			}
			err = b.file.Load(context.Background(), b.now, true)
			if err == nil || tc.is != nil && !errors.Is(err, tc.is) {
				t.Errorf("loading gives %v", err)
			}
		})
	}
	t.Run("in a sticky directory", func(t *testing.T) {
		b := newBench(t)
		if err := os.Chmod(filepath.Dir(b.path), 0o777|os.ModeSticky); err != nil {
			t.Fatal(err)
		}
		b.append(banOf("192.0.2.1"))
	})
	t.Run("owned by another user", func(t *testing.T) {
		testenv.NeedRoot(t)
		b := newBench(t)
		b.append(banOf("192.0.2.1"))
		if err := os.Chown(b.path, 1234, 0); err != nil {
			t.Fatal(err)
		}
		if _, err := b.file.Append(context.Background(), banOf("192.0.2.1")); !errors.Is(err, ErrOwner) {
			t.Errorf("the error is %v", err)
		}
	})
}
