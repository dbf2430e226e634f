package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/pflag"
)

// keeperOf returns a keeper beside a log of its own, for a file with this text.
func keeperOf(t *testing.T, text string) (Keeper, *pflag.FlagSet, []string) {
	t.Helper()
	fs := pflag.NewFlagSet("test", pflag.ContinueOnError)
	Register(fs)
	environ := []string{
		"RECONCILER_CONFIG=" + writeFile(t, text),
		"RECONCILER_STATE=" + filepath.Join(t.TempDir(), "bans.jsonl"),
	}
	return NewKeeper(fs, environ), fs, environ
}

func TestWhatIsKeptIsWhatTheFileSaid(t *testing.T) {
	text := "ignore: [192.0.2.7, \"2001:db8::/32\"]\nrules: 30-39\nhook: []\nhost: none\ndedicated: true\nhost-id: a:b\n"
	k, fs, environ := keeperOf(t, text)
	want, err := Load(fs, environ)
	if err != nil {
		t.Fatal(err)
	}
	if err := k.Save(want); err != nil {
		t.Fatal(err)
	}
	got, err := k.Load()
	if err != nil {
		t.Fatal(err)
	}
	compare(t, want, got)
	if !strings.HasSuffix(got.File, "bans.jsonl.config") {
		t.Errorf("the copy lies in %s", got.File)
	}
	// A copy is a good one only whole, in a place that only its owner can write.
	if err := os.Chmod(got.File, 0o646); err != nil {
		t.Fatal(err)
	}
	if _, err := k.Load(); err == nil {
		t.Error("a copy that everybody can write was taken")
	}
}

func TestNothingIsKeptOfAFileThatIsNotThere(t *testing.T) {
	k, _, _ := keeperOf(t, "")
	if err := k.Save(Config{}); err != nil {
		t.Fatal(err)
	}
	if _, err := k.Load(); err == nil {
		t.Error("a copy was made of nothing")
	}
}

// Two daemons that name no log keep their copies in one place.
func TestACopyOfAnotherFileIsNotTaken(t *testing.T) {
	k, fs, environ := keeperOf(t, "quota: 30\n")
	c, err := Load(fs, environ)
	if err != nil {
		t.Fatal(err)
	}
	if err := k.Save(c); err != nil {
		t.Fatal(err)
	}
	other := NewKeeper(fs, append(environ, "RECONCILER_CONFIG="+writeFile(t, "quota: 31\n")))
	if c, err := other.Load(); err == nil {
		t.Errorf("the copy of another file was taken, with quota %d", c.Quota)
	}
}

func TestWhatAKilledDaemonLeftOfACopyIsRemoved(t *testing.T) {
	k, fs, environ := keeperOf(t, "host: none\n")
	c, err := Load(fs, environ)
	if err != nil {
		t.Fatal(err)
	}
	left := filepath.Join(filepath.Dir(k.path), ".bans.jsonl.config123456")
	if err := os.WriteFile(left, []byte("host"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := k.Save(c); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(left); !os.IsNotExist(err) {
		t.Errorf("%s is still there: %v", left, err)
	}
}
