package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"

	"reconciler/internal/desired"
)

// parseState takes the path of a log, or its address in S3.
func parseState(text string) (string, error) {
	if desired.IsAddress(text) {
		a, err := desired.ParseAddress(text)
		return a.String(), err
	}
	if strings.Contains(text, "://") || strings.HasPrefix(strings.ToLower(text), "s3:") {
		return "", fmt.Errorf("%q is neither a path nor an address in S3; name a file, or s3://bucket/prefix/", text)
	}
	if err := checkPath(text); err != nil {
		return "", err
	}
	if strings.HasSuffix(text, "/") {
		return "", fmt.Errorf("%q is a directory; name the file in it", text)
	}
	return filepath.Clean(text), nil
}

// parseDir takes an absolute path: the spool must be found again from any
// working directory.
func parseDir(text string) (string, error) {
	if err := checkPath(text); err != nil {
		return "", err
	}
	if !filepath.IsAbs(text) {
		return "", fmt.Errorf("%q is not absolute; begin it with a slash", text)
	}
	return filepath.Clean(text), nil
}

func checkPath(text string) error {
	if text == "" {
		return errors.New("the path is empty; name a file")
	}
	if strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return fmt.Errorf("path %q holds a control character; name another", text)
	}
	return nil
}

// lazily compiles on first use: `ban` starts anew for every ban, and needs few.
func lazily(expr string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(expr) })
}

// An ID is acl- and 8 or 17 hexadecimal digits (Amazon EC2 user guide,
// "Resource IDs"). Its length is left to AWS.
var naclID = lazily(`^acl-[0-9a-f]{1,17}$`)

func parseNACL(text string) (string, error) {
	if text == NACLAuto || text == NACLNone || naclID().MatchString(text) {
		return text, nil
	}
	return "", fmt.Errorf("%q is no Network ACL; write auto, none or an ID such as acl-0123456789abcdef0", text)
}

// maxChain leaves room for the names of our sets: the kernel takes 28 bytes
// for a chain and 31 for a set (XT_EXTENSION_MAXNAMELEN, IPSET_MAXNAMELEN).
const maxChain = 26

var chainName = lazily(`^[A-Za-z0-9][A-Za-z0-9_.-]*$`)

// builtin chains and targets cannot be the name of a chain of ours.
var builtin = []string{
	"INPUT", "FORWARD", "OUTPUT", "PREROUTING", "POSTROUTING",
	"ACCEPT", "DROP", "REJECT", "RETURN", "QUEUE", "LOG",
}

func parseChain(text string) (string, error) {
	if len(text) > maxChain || !chainName().MatchString(text) {
		return "", fmt.Errorf("%q is no name for a chain; use up to %d letters, digits, dots, dashes and underscores", text, maxChain)
	}
	if slices.Contains(builtin, text) {
		return "", fmt.Errorf("%q belongs to the firewall itself; choose a name that nobody else uses", text)
	}
	return text, nil
}

// parseHook takes a chain that inbound packets pass in the filter table.
func parseHook(text string) (string, error) {
	if len(text) > maxChain+2 || !chainName().MatchString(text) {
		return "", fmt.Errorf("%q is no name of a chain; write INPUT, FORWARD or DOCKER-USER", text)
	}
	if slices.Contains(builtin[2:], text) {
		return "", fmt.Errorf("%q never sees a packet that comes in to be filtered; write INPUT, FORWARD or DOCKER-USER", text)
	}
	return text, nil
}

// maxHostID is what a record takes.
const maxHostID = 255

// hostID has no count: compiling one of 255 would cost each ban most of a millisecond.
var hostID = lazily(`^[A-Za-z0-9_.:-]+$`)

func parseHostID(text string) (string, error) {
	if text == "auto" {
		name, err := os.Hostname()
		if err != nil {
			return "", fmt.Errorf("finding the host name: %w; set host-id", err)
		}
		return cleanHostID(name), nil
	}
	if len(text) > maxHostID || !hostID().MatchString(text) {
		return "", fmt.Errorf("%q is no name of a host; use up to %d letters, digits, dots, dashes, colons and underscores", text, maxHostID)
	}
	return text, nil
}

// cleanHostID makes any host name fit for a record.
func cleanHostID(name string) string {
	clean := strings.Map(func(r rune) rune {
		if r < 0x80 && hostID().MatchString(string(r)) {
			return r
		}
		return '-'
	}, name)
	if clean == "" {
		return "localhost"
	}
	return clean[:min(len(clean), maxHostID)]
}
