// Package tool runs the host's firewall programs: by absolute path, with a
// clean environment, never through a shell.
package tool

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
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
	std, err := openStreams(stdin)
	if err != nil {
		return nil, fmt.Errorf("preparing the input and output of %s: %w", program, err)
	}
	defer std.close()
	cmd.Stdin, cmd.Stdout, cmd.Stderr = std.in, std.out, std.err
	failure := cmd.Run()
	if failure != nil && ctx.Err() != nil {
		failure = fmt.Errorf("%w (%w)", context.Cause(ctx), failure)
	}
	stdout, outErr := content(std.out, math.MaxInt64)
	stderr, errErr := content(std.err, maxStderr)
	if err := errors.Join(outErr, errErr); err != nil {
		return nil, fmt.Errorf("reading what %s wrote: %w", program, err)
	}
	if failure != nil {
		return stdout, &Error{Program: program, Args: args, Stderr: string(stderr), Err: failure}
	}
	return stdout, nil
}

// lockFile passes on where iptables-legacy keeps its lock, for hosts and
// containers in which /run cannot be written.
func lockFile() []string {
	if path := os.Getenv("XTABLES_LOCKFILE"); filepath.IsAbs(path) {
		return []string{"XTABLES_LOCKFILE=" + path}
	}
	return nil
}
