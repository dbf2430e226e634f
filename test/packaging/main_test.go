//go:build e2e

// Package packaging tests the packages: what they hold, that they can be built
// again to the same bytes, and what becomes of a machine that installs, upgrades
// and removes them.
package packaging

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"reconciler/test/packages"
)

// root is the repository.
const root = "../.."

// run runs a program and gives what it wrote.
func run(t *testing.T, program string, args ...string) string {
	t.Helper()
	cmd := exec.Command(program, args...)
	cmd.Dir = root
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s %s: %v\n%s", program, strings.Join(args, " "), err, out.String())
	}
	return out.String()
}

// nfpm installs the packager, once.
var nfpm = sync.OnceValues(func() (string, error) { return packages.Packager(root) })

// tree is a copy of the repository, so that all packages come from the same
// files although somebody may be working on them.
var tree string

func TestMain(m *testing.M) { os.Exit(inCopy(m)) }

func inCopy(m *testing.M) int {
	var err error
	if tree, err = os.MkdirTemp("", "packaging"); err != nil {
		fmt.Fprintln(os.Stderr, "packaging:", err)
		return 1
	}
	defer os.RemoveAll(tree) //nolint:errcheck // the next clean-up of /tmp takes it
	return m.Run()
}

func copyTree(t *testing.T) {
	t.Helper()
	if err := packages.Copy(root, tree); err != nil {
		t.Fatal(err)
	}
}

// build makes the packages for amd64 and gives the paths of .deb and .rpm.
func build(t *testing.T, from, version string, env ...string) (deb, rpm string) {
	t.Helper()
	packager, err := nfpm()
	if err != nil {
		t.Fatal(err)
	}
	deb, rpm, err = packages.Build(packager, from, t.TempDir(), version, env...)
	if err != nil {
		t.Fatal(err)
	}
	return deb, rpm
}

// first is the package that several tests look at.
var first struct {
	once     sync.Once
	deb, rpm []byte
}

// built gives the packages of version 1.0.0 as files of this test.
func built(t *testing.T) (deb, rpm string) {
	t.Helper()
	first.once.Do(func() {
		copyTree(t)
		d, r := build(t, tree, "1.0.0")
		first.deb, first.rpm = read(t, d), read(t, r)
	})
	if first.deb == nil {
		t.Fatal("the packages could not be built; see the first test")
	}
	dir := t.TempDir()
	deb, rpm = filepath.Join(dir, "reconciler.deb"), filepath.Join(dir, "reconciler.rpm")
	for path, bytes := range map[string][]byte{deb: first.deb, rpm: first.rpm} {
		if err := os.WriteFile(path, bytes, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return deb, rpm
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}
