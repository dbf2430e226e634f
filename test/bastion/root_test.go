//go:build e2e

package bastion

import (
	"bufio"
	"bytes"
	"cmp"
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

const suite = "bookworm"

// inside is what the bastion has installed before our package comes.
var inside = []string{
	"systemd", "systemd-sysv", "dbus", "kmod", "iproute2", "openssh-server", "fail2ban", "python3-systemd",
	"iptables", "ipset", "nftables", "rpm",
}

// lean is dpkg's configuration in the root: it is built anew where it is lost,
// so nothing need reach the disk at once; and nobody reads there.
const (
	leanFile = "etc/dpkg/dpkg.cfg.d/lean"
	lean     = `force-unsafe-io
path-exclude=/usr/share/doc/*
path-exclude=/usr/share/man/*
path-exclude=/usr/share/locale/*
`
)

// cachedRoot gives a Debian with all that is inside, made by debootstrap once
// and kept below the user's cache. Nobody may change it.
func cachedRoot() (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("finding a place for the bastion's root: %w", err)
	}
	cache = filepath.Join(cache, "reconciler")
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return "", err
	}
	lock, err := os.OpenFile(filepath.Join(cache, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return "", err
	}
	defer lock.Close() //nolint:errcheck // nothing was written
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX); err != nil {
		return "", fmt.Errorf("locking %s: %w", cache, err)
	}
	key := sha256.Sum256([]byte(suite + strings.Join(inside, ",") + lean))
	root := filepath.Join(cache, fmt.Sprintf("bastion-%s-%x", suite, key[:6]))
	if _, err := os.Stat(root); err == nil {
		return root, nil
	}
	for range attempts {
		if err = bootstrap(root); err == nil {
			return root, nil
		}
		time.Sleep(pause)
	}
	return "", err
}

// A mirror may fail for a moment.
const (
	attempts = 3
	pause    = 10 * time.Second
)

// bootstrap builds the root beside its place, so that one that was cut off is
// never taken for a whole one.
func bootstrap(root string) error {
	part := root + ".part"
	if err := os.RemoveAll(part); err != nil {
		return err
	}
	settings := filepath.Join(part, leanFile)
	if err := os.MkdirAll(filepath.Dir(settings), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(settings, []byte(lean), 0o644); err != nil {
		return err
	}
	args := []string{"--variant=minbase", "--include=" + strings.Join(inside, ","), suite, part}
	if address := mirror(); address != "" { // else debootstrap has one of its own
		args = append(args, address)
	}
	cmd := exec.Command("debootstrap", args...)
	cmd.Env = append(os.Environ(), proxy()...)
	if out, err := cmd.CombinedOutput(); err != nil {
		tail := out[max(0, len(out)-2000):]
		return fmt.Errorf("making the bastion's root: %s: %w: %s", cmd, err, tail)
	}
	for _, dir := range []string{"var/cache/apt/archives", "var/lib/apt/lists"} {
		if err := os.RemoveAll(filepath.Join(part, dir)); err != nil {
			return err
		}
	}
	return os.Rename(part, root)
}

// mirror gives the mirror of Debian that this machine's apt uses, if it does.
func mirror() string {
	out, err := exec.Command("apt-get", "indextargets", "--format", "$(ORIGIN) $(CODENAME) $(COMPONENT) $(REPO_URI)").Output()
	if err != nil {
		return ""
	}
	lines := bufio.NewScanner(bytes.NewReader(out))
	for lines.Scan() {
		f := strings.Fields(lines.Text())
		if len(f) == 4 && f[0] == "Debian" && f[1] == suite && f[2] == "main" {
			return f[3]
		}
	}
	return ""
}

// proxy gives apt's proxy in the form that debootstrap's downloader takes.
func proxy() []string {
	out, err := exec.Command("apt-config", "shell", "P", "Acquire::http::Proxy").Output()
	address := strings.Trim(strings.TrimPrefix(strings.TrimSpace(string(out)), "P="), "'")
	if err != nil || address == "" || address == "DIRECT" {
		return nil
	}
	return []string{"http_proxy=" + cmp.Or(os.Getenv("http_proxy"), address)}
}
