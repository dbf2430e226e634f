package config

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/spf13/pflag"
)

func TestAFileThatWasNamedMustBeThere(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "missing.yaml")
	for name, load := range map[string]func() (Config, error){
		"flag":        func() (Config, error) { return loadWith(t, []string{"--config", missing}, nil, "") },
		"environment": func() (Config, error) { return loadWith(t, nil, []string{"RECONCILER_CONFIG=" + missing}, "") },
		"empty flag":  func() (Config, error) { return loadWith(t, []string{"--config", ""}, nil, "") },
	} {
		if _, err := load(); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("a missing file named by the %s gave %v, not fs.ErrNotExist", name, err)
		}
	}
}

func TestTheDefaultFileIsReadWhereItExists(t *testing.T) {
	path := writeFile(t, "quota: 30\n")
	fs := pflag.NewFlagSet("test", pflag.ContinueOnError)
	Register(fs)
	c, err := load(fs, nil, path)
	if err != nil || c.Quota != 30 || c.File != path {
		t.Errorf("the default file gave quota %d from %q, error %v", c.Quota, c.File, err)
	}
	c, err = load(fs, []string{"RECONCILER_CONFIG=" + writeFile(t, "quota: 31\n")}, path)
	if err != nil || c.Quota != 31 {
		t.Errorf("RECONCILER_CONFIG did not replace the default file: quota %d, error %v", c.Quota, err)
	}
}

func TestAFileThatOthersCanWriteIsRefused(t *testing.T) {
	open := writeFile(t, "quota: 30\n")
	if err := os.Chmod(open, 0o646); err != nil {
		t.Fatal(err)
	}
	big := writeFile(t, "# "+strings.Repeat("x", maxFile)+"\n")
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]error{
		open: ErrWorldWritable, t.TempDir(): ErrNotRegular, pipe: ErrNotRegular, big: ErrTooBig,
	} {
		if _, _, err := readFile(path, true); !errors.Is(err, want) {
			t.Errorf("%s gave %v, not %v", path, err, want)
		}
	}
	_, _, err := readFile(open, false)
	if err == nil || !strings.Contains(err.Error(), "chmod o-w") {
		t.Errorf("the error does not tell how to mend the mode: %v", err)
	}
}

// owned is the description of a file of another user.
type owned struct {
	fs.FileInfo
	uid uint32
}

func (o owned) Sys() any { return &syscall.Stat_t{Uid: o.uid} }

func TestOnlyRootAndTheUserItselfMayOwnTheFile(t *testing.T) {
	info, err := os.Stat(writeFile(t, ""))
	if err != nil {
		t.Fatal(err)
	}
	const self = 1000
	for uid, want := range map[uint32]error{0: nil, self: nil, 1001: ErrOwner} {
		if err := checkTrust("f", owned{info, uid}, self); !errors.Is(err, want) {
			t.Errorf("a file of user %d read by user %d gave %v, want %v", uid, self, err, want)
		}
	}
}

func TestALinkToAGoodFileIsFollowed(t *testing.T) {
	link := filepath.Join(t.TempDir(), "link.yaml")
	if err := os.Symlink(writeFile(t, "quota: 7\n"), link); err != nil {
		t.Fatal(err)
	}
	if c := mustLoad(t, []string{"--config", link}, nil, ""); c.Quota != 7 {
		t.Errorf("quota is %d, not the 7 of the linked file", c.Quota)
	}
}
