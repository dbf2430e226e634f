package desired

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"reconciler/internal/testenv"
)

// withServiceUser makes a uid that of the service for one test.
func withServiceUser(t *testing.T, uid uint32) {
	t.Helper()
	before := serviceUID
	serviceUID = func() (uint32, bool) { return uid, true }
	t.Cleanup(func() { serviceUID = before })
}

// owned makes a directory and a log in it, both of a user.
func owned(t *testing.T, uid int) string {
	t.Helper()
	testenv.NeedRoot(t)
	path := filepath.Join(t.TempDir(), "state", "bans.jsonl")
	for _, err := range []error{
		os.Mkdir(filepath.Dir(path), 0o750), os.WriteFile(path, nil, 0o640),
		os.Chown(filepath.Dir(path), uid, uid), os.Chown(path, uid, uid),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	return path
}

func TestRootAppendsToALogOfTheServiceUserAndOfNobodyElse(t *testing.T) {
	path := owned(t, 4242)
	if err := CheckTrust(path); !errors.Is(err, ErrOwner) {
		t.Errorf("a log of some user is trusted (%v), want ErrOwner", err)
	}
	withServiceUser(t, 4242)
	if err := CheckTrust(path); err != nil {
		t.Errorf("root does not trust the log of the service user: %v", err)
	}
	f := NewFile(path)
	f.RunDir = t.TempDir()
	if _, err := f.Append(t.Context(), Record{Op: OpPause}); err != nil {
		t.Errorf("root cannot append to the log of the service user: %v", err)
	}
	withServiceUser(t, 4243)
	if err := CheckTrust(path); !errors.Is(err, ErrOwner) {
		t.Errorf("a log of another user than the service's is trusted (%v), want ErrOwner", err)
	}
}

func TestANewLogBelongsToTheServiceUserAlsoWhenRootMakesIt(t *testing.T) {
	path := owned(t, 4242)
	withServiceUser(t, 4242)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	f := NewFile(path)
	f.RunDir = t.TempDir()
	if _, err := f.Append(t.Context(), Record{Op: OpPause}); err != nil {
		t.Fatal(err)
	}
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil || st.Uid != 4242 {
		t.Errorf("a log that root made belongs to user %d (%v), want 4242: the service must read it", st.Uid, err)
	}
}

func TestRootIsNotLedToAnotherFileByAHardLink(t *testing.T) {
	path := owned(t, 4242)
	withServiceUser(t, 4242)
	victim := filepath.Join(filepath.Dir(filepath.Dir(path)), "passwd")
	if err := os.WriteFile(victim, []byte("root\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := os.Link(victim, path); err != nil {
		t.Fatal(err)
	}
	f := NewFile(path)
	f.RunDir = t.TempDir()
	if _, err := f.Append(t.Context(), Record{Op: OpPause}); !errors.Is(err, ErrLinked) {
		t.Errorf("root appended to a file with a second name (%v), want ErrLinked", err)
	}
	if text, err := os.ReadFile(victim); err != nil || string(text) != "root\n" {
		t.Errorf("the other file now holds %q (%v)", text, err)
	}
}

// What is the service's stays so: after a chown to root it could not write.
func TestTheHintForAnotherUserDoesNotLockTheServiceOut(t *testing.T) {
	withServiceUser(t, 4242)
	if got := ownerMend(4242, "/x"); strings.Contains(got, "chown") || !strings.Contains(got, "User="+ServiceUser) {
		t.Errorf("for what is the service's the hint is %q", got)
	}
	if got := ownerMend(4243, "/x"); got != "run: chown root /x" {
		t.Errorf("for what is a stranger's the hint is %q", got)
	}
}
