package doctor

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"reconciler/internal/desired"
)

// reserve is the room, in bytes, below which a disk counts as nearly full.
const reserve = 64 << 20

// logs looks at each log on this machine: whether it is there, whose it is,
// who may write to it, and how much room it has.
func (e *examination) logs() {
	for _, path := range e.Config.State {
		if strings.Contains(path, "://") {
			continue // how it does is in the status
		}
		e.log(path)
	}
}

func (e *examination) log(path string) {
	dir := filepath.Dir(path)
	info, err := os.Stat(dir)
	if err != nil || !info.IsDir() {
		e.fail("log", fmt.Sprintf("install -d -m 0750 %s && %s", dir, startService), "the directory %s is not there", dir)
		return
	}
	if info, err = os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
		e.warn("log", startService, "%s is not there yet; the daemon or the first ban makes it", path)
		return
	}
	if err != nil {
		e.fail("log", "sudo reconciler doctor", "%v", err)
		return
	}
	if err := desired.CheckTrust(path); err != nil {
		e.fail("log", trustMend(err, path), "%v", err)
		return
	}
	if info.Mode().Perm()&0o020 != 0 {
		e.warn("log", "chmod g-w "+path, "the group may write to %s, and so ban and unban", path)
		return
	}
	var disk unix.Statfs_t
	if err := unix.Statfs(dir, &disk); err == nil && disk.Bavail*uint64(disk.Bsize) < reserve {
		e.warn("log", "df -h "+dir, "the disk of %s has less than 64 MiB left; records then wait in %s", path, e.Config.RunDir)
		return
	}
	e.ok("log", "%s has the right owner and mode (%s), and room", path, info.Mode().Perm())
}

// trustMend gives the command that makes a log trustworthy.
func trustMend(err error, path string) string {
	switch {
	case errors.Is(err, desired.ErrOwner):
		return fmt.Sprintf("chown --reference=%s %s", filepath.Dir(path), path)
	case errors.Is(err, desired.ErrWorldWritable):
		return fmt.Sprintf("chmod o-w %s %s", filepath.Dir(path), path)
	case errors.Is(err, fs.ErrPermission):
		return "sudo reconciler doctor"
	}
	return "ls -l " + path
}

// logrotate looks for a rule that would rename or cut a log of ours.
func (e *examination) logrotate() {
	files, err := filepath.Glob(e.Root + "/etc/logrotate.d/*")
	if err != nil {
		return // the pattern is ours and valid
	}
	files = append(files, e.Root+"/etc/logrotate.conf")
	found := false
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			continue // not there, or not readable by this user
		}
		for _, pattern := range rotated(text) {
			for _, log := range e.Config.State {
				if hit, err := filepath.Match(pattern, log); err == nil && hit {
					found = true
					e.warn("logrotate", "sed -i 's|"+pattern+"||' "+strings.TrimPrefix(file, e.Root),
						"%s rotates %s: the log compacts itself, and a rotation looks like a lost log", strings.TrimPrefix(file, e.Root), log)
				}
			}
		}
	}
	if !found {
		e.ok("logrotate", "no rule of logrotate touches the log")
	}
}

// rotated gives the patterns of a logrotate file: the paths before each brace
// (logrotate(8)). Quotes are taken off.
func rotated(text []byte) []string {
	var patterns []string
	depth := 0
	lines := bufio.NewScanner(bytes.NewReader(text))
	for lines.Scan() {
		line, _, _ := strings.Cut(lines.Text(), "#")
		for _, word := range strings.Fields(strings.NewReplacer("{", " { ", "}", " } ").Replace(line)) {
			switch {
			case word == "{":
				depth++
			case word == "}":
				depth--
			case depth == 0 && strings.HasPrefix(strings.Trim(word, `"'`), "/"):
				patterns = append(patterns, strings.Trim(word, `"'`))
			}
		}
	}
	return patterns
}
