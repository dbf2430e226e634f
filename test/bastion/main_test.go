//go:build e2e

// Package bastion boots a Debian with systemd, sshd and fail2ban in a container,
// installs the package there, has it attacked, and breaks what can be broken,
// while somebody watches that no ban is ever lifted.
//
// The test's own network namespace is the router between the attackers and the
// bastion. The EC2 endpoint and the metadata service answer there, and what
// they hold is rendered as packet rules, so that an ACL entry stops packets.
package bastion

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"golang.org/x/sync/errgroup"

	"reconciler/internal/testenv"
	"reconciler/test/packages"
)

// What is made outside, where there is a network, is handed on in variables.
const (
	envRoot     = "BASTION_ROOT"     // an installed Debian, not to be changed
	envPackages = "BASTION_PACKAGES" // a directory with old.deb, new.deb, old.rpm, new.rpm
	envLeftOut  = "BASTION_LEFT_OUT" // why there is no test
)

const (
	oldVersion = "1.0.0"
	newVersion = "1.1.0"
)

func TestMain(m *testing.M) {
	if os.Getenv(envRoot) == "" && os.Getenv(envLeftOut) == "" {
		if err := prepare(); err != nil {
			_ = os.Setenv(envLeftOut, err.Error()) // the name is a good one
		}
	}
	testenv.Main(m)
}

// prepare makes the root and the packages, at the same time.
func prepare() error {
	if os.Geteuid() != 0 {
		return errors.New("booting a bastion needs root")
	}
	for _, program := range []string{"systemd-nspawn", "debootstrap", "nsenter", "dpkg-deb"} {
		if _, err := exec.LookPath(program); err != nil {
			return fmt.Errorf("booting a bastion: %w", err)
		}
	}
	var root, debs string
	var both errgroup.Group
	both.Go(func() (err error) { root, err = cachedRoot(); return err })
	both.Go(func() (err error) { debs, err = builtPackages(); return err })
	if err := both.Wait(); err != nil {
		return err
	}
	return errors.Join(os.Setenv(envRoot, root), os.Setenv(envPackages, debs))
}

// builtPackages builds both versions from one copy of the tree.
func builtPackages() (string, error) {
	const repository = "../.."
	dir, err := os.MkdirTemp("", "bastion-packages")
	if err != nil {
		return "", err
	}
	tree := filepath.Join(dir, "tree")
	if err := os.Mkdir(tree, 0o755); err != nil {
		return "", err
	}
	defer os.RemoveAll(tree) //nolint:errcheck // the next clean-up of /tmp takes it
	packager, err := packages.Packager(repository)
	if err != nil {
		return "", err
	}
	if err := packages.Copy(repository, tree); err != nil {
		return "", err
	}
	for name, version := range map[string]string{"old": oldVersion, "new": newVersion} {
		out := filepath.Join(dir, name)
		deb, rpm, err := packages.Build(packager, tree, out, version)
		if err != nil {
			return "", err
		}
		if err := errors.Join(os.Rename(deb, filepath.Join(dir, name+".deb")), os.Rename(rpm, filepath.Join(dir, name+".rpm"))); err != nil {
			return "", err
		}
	}
	return dir, nil
}

// need leaves the test out where it cannot be made. With CI=true it fails.
func need(t *testing.T) {
	t.Helper()
	if why := os.Getenv(envLeftOut); why != "" {
		testenv.LeaveOut(t, "%s", why)
	}
	testenv.Need(t, "ip", "nft", "ipset", "nsenter", "systemd-nspawn")
	t.Cleanup(func() {
		if err := os.RemoveAll(os.Getenv(envPackages)); err != nil {
			t.Errorf("removing the packages: %v", err)
		}
	})
}
