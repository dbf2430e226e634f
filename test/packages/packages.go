//go:build e2e

// Package packages builds the packages for the tests that look at them or
// install them.
package packages

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// Copy copies the repository at root into a directory, without its history and
// what was built, so that all packages come from the same files although
// somebody may be working on them.
func Copy(root, dir string) error {
	_, err := run(root, nil, "sh", "-c",
		`tar -cf - --exclude=./.git --exclude=./.tools --exclude=./bin --exclude=./dist . | tar -xf - -C "$1"`, "sh", dir)
	return err
}

// Packager installs nfpm at the version that the Makefile names, in the
// repository at root, and gives its path.
func Packager(root string) (string, error) {
	// Tests of several packages come here at once.
	lock, err := os.OpenFile(filepath.Join(root, "Makefile"), os.O_RDONLY, 0)
	if err != nil {
		return "", fmt.Errorf("locking the tools: %w", err)
	}
	defer lock.Close() //nolint:errcheck // nothing was written
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX); err != nil {
		return "", fmt.Errorf("locking the tools: %w", err)
	}
	out, err := run(root, nil, "make", "--no-print-directory", "nfpm")
	if err != nil {
		return "", err
	}
	lines := strings.Split(strings.TrimSpace(out), "\n")
	return lines[len(lines)-1], nil
}

// Build makes the packages of a version for amd64 out of a tree, into a
// directory, and gives their paths. Variables are added to the environment.
func Build(packager, tree, dir, version string, env ...string) (deb, rpm string, err error) {
	env = append(env, "NFPM="+packager, "OUT="+dir, "PKG_VERSION="+version, "SOURCE_DATE_EPOCH=1700000000")
	if _, err := run(tree, env, "sh", "deploy/packaging/build.sh", "amd64"); err != nil {
		return "", "", err
	}
	if deb, err = one(dir, "*.deb"); err != nil {
		return "", "", err
	}
	rpm, err = one(dir, "*.rpm")
	return deb, rpm, err
}

func one(dir, pattern string) (string, error) {
	found, err := filepath.Glob(filepath.Join(dir, pattern))
	if err != nil {
		return "", fmt.Errorf("looking for %s in %s: %w", pattern, dir, err)
	}
	if len(found) != 1 {
		return "", fmt.Errorf("%s in %s is %v, want one", pattern, dir, found)
	}
	return found[0], nil
}

func run(dir string, env []string, program string, args ...string) (string, error) {
	cmd := exec.Command(program, args...) //nolint:noctx // a build ends by itself
	cmd.Dir, cmd.Env = dir, append(os.Environ(), env...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%s %s: %w: %s", program, strings.Join(args, " "), err, out.String())
	}
	return out.String(), nil
}
