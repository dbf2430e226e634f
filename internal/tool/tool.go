// Package tool runs the host's firewall programs: by absolute path, with a
// clean environment, never through a shell.
package tool

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// ErrNotFound is returned by Find for a program that no trusted directory has.
var ErrNotFound = errors.New("program not found")

// Runner runs one program and gives what it wrote to standard output.
type Runner interface {
	Run(ctx context.Context, stdin []byte, program string, args ...string) ([]byte, error)
}

// Error is a program that ran and failed. errors.Is finds the conditions of
// conditions.go in what the program said.
type Error struct {
	Program string
	Args    []string
	Stderr  string
	Err     error
}

func (e *Error) Error() string {
	said := strings.Join(strings.Fields(e.Stderr), " ")
	if said == "" {
		said = e.Err.Error()
	}
	command := strings.Join(append([]string{e.Program}, e.Args...), " ")
	return fmt.Sprintf("%s: %s%s", command, said, e.hint())
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// Dirs are the only directories in which programs are looked for, in order.
var Dirs = []string{"/usr/sbin", "/sbin", "/usr/bin", "/bin", "/usr/local/sbin"}

// Find gives the absolute path of a program, or ErrNotFound.
func Find(name string) (string, error) {
	for _, dir := range Dirs {
		path := filepath.Join(dir, name)
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
			return path, nil
		}
	}
	return "", NotFound(name)
}

// NotFound is the error of Find for a program: it wraps ErrNotFound and says
// how to get the program, or how to do without it.
func NotFound(name string) error {
	err := fmt.Errorf("%s: %w in %s", name, ErrNotFound, strings.Join(Dirs, ", "))
	switch {
	case name == "ipset":
		return fmt.Errorf("%w; install it (apt-get install ipset, dnf install ipset), or use --host iptables", err)
	case strings.HasPrefix(name, "iptables"), strings.HasPrefix(name, "ip6tables"):
		return fmt.Errorf("%w; install it (apt-get install iptables, dnf install iptables-nft), or use --host none", err)
	}
	return err
}

// Exec is the Runner that starts real processes.
type Exec struct{}

// maxStderr bounds what is kept of a failing program's complaint, in bytes.
const maxStderr = 16 << 10

// drainTime is how long a cancelled program's pipes may stay open, so that a
// child it left behind cannot hold up the caller.
const drainTime = time.Second

// Run finds the program, runs it and gives its standard output. A failure is
// an *Error with what it wrote to standard error.
func (Exec) Run(ctx context.Context, stdin []byte, program string, args ...string) ([]byte, error) {
	path, err := Find(program)
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Env = append([]string{"PATH=" + strings.Join(Dirs, ":"), "LC_ALL=C"}, lockFile()...)
	cmd.Dir = "/"
	cmd.WaitDelay = drainTime
	input, err := inputFile(stdin)
	if err != nil {
		return nil, fmt.Errorf("preparing the input of %s: %w", program, err)
	}
	defer func() { _ = input.Close() }()
	cmd.Stdin = input
	var stdout bytes.Buffer
	stderr := limited{left: maxStderr}
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			err = fmt.Errorf("%w (%w)", context.Cause(ctx), err)
		}
		return stdout.Bytes(), &Error{Program: program, Args: args, Stderr: stderr.kept.String(), Err: err}
	}
	return stdout.Bytes(), nil
}

// inputFile holds the whole input in memory before the program starts. Through a
// pipe, a program whose caller is killed half way would take the beginning of a
// line for all of it: `add set 198.51.100.1` instead of 198.51.100.17.
func inputFile(text []byte) (*os.File, error) {
	fd, err := unix.MemfdCreate("input", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("memfd_create", err)
	}
	file := os.NewFile(uintptr(fd), "input")
	if _, err = file.Write(text); err == nil {
		_, err = file.Seek(0, io.SeekStart)
	}
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}

// lockFile passes on where iptables-legacy keeps its lock, for hosts and
// containers in which /run cannot be written.
func lockFile() []string {
	if path := os.Getenv("XTABLES_LOCKFILE"); filepath.IsAbs(path) {
		return []string{"XTABLES_LOCKFILE=" + path}
	}
	return nil
}

// limited keeps the first bytes written to it and takes the rest as read. The
// buffer is not embedded, because its ReadFrom would go around the limit.
type limited struct {
	kept bytes.Buffer
	left int
}

func (l *limited) Write(p []byte) (int, error) {
	keep := p[:min(len(p), l.left)]
	l.left -= len(keep)
	_, err := l.kept.Write(keep)
	return len(p), err
}
