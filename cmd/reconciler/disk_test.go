package main

import (
	"errors"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// mountTmpfs mounts a small file system until the end of the test.
func mountTmpfs(t *testing.T, dir, size string) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "mode=700,size="+size); err != nil {
		t.Fatalf("mounting a small file system: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Errorf("unmounting %s: %v", dir, err)
		}
	})
}

// fill takes every block of a file system with a new file, then what is left of
// the last block of a log, with spaces, which no reader minds.
func fill(t *testing.T, ballast, log string) {
	t.Helper()
	for _, f := range []struct {
		path  string
		piece string
	}{{ballast, string(make([]byte, 4096))}, {log, " "}} {
		file, err := os.OpenFile(f.path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		for err == nil {
			_, err = file.WriteString(f.piece)
		}
		if closeErr := file.Close(); !errors.Is(err, unix.ENOSPC) || closeErr != nil {
			t.Fatalf("filling %s: %v", f.path, errors.Join(err, closeErr))
		}
	}
}

func fileExists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
