package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"

	"github.com/spf13/pflag"
)

// The errors of a file that is not read, for errors.Is.
var (
	ErrNotRegular    = errors.New("not a regular file")
	ErrOwner         = errors.New("owned by somebody else")
	ErrWorldWritable = errors.New("writable by everybody")
	ErrTooBig        = errors.New("too big for a configuration")
)

// maxFile bounds what is read: every setting with a long ignore list fits.
const maxFile = 1 << 20

// filePath gives the file to read, and whether it must be there.
func filePath(flagSet *pflag.FlagSet, environ []string, defaultPath string) (path string, required bool) {
	if f := flagSet.Lookup("config"); f != nil && f.Changed {
		return f.Value.String(), true
	}
	if path := lookup(environ, envConfig); path != "" {
		return path, true
	}
	return defaultPath, false
}

// readFile is the layer of the configuration file. read is false when there
// is no file and none is needed.
func readFile(path string, required bool) (l layer, read bool, err error) {
	data, err := readTrusted(path)
	if errors.Is(err, fs.ErrNotExist) && !required {
		return nil, false, nil
	}
	if errors.Is(err, fs.ErrPermission) {
		return nil, false, fmt.Errorf("reading configuration %q: %w; run it as root, or let the service read the file: chmod o+r %q", path, err, path)
	}
	if err != nil {
		return nil, false, fmt.Errorf("reading configuration %q: %w", path, err)
	}
	l, err = parseYAML(path, data)
	return l, true, err
}

// readTrusted reads a file that only root and this user can have written. The
// checks are made on the open file, so that it cannot be swapped in between.
// Links are followed: configuration management places files that way.
func readTrusted(path string) (data []byte, err error) {
	// O_NONBLOCK: a named pipe must not hold the daemon up.
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if err := checkTrust(path, info, os.Geteuid()); err != nil {
		return nil, err
	}
	data, err = io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(data) > maxFile {
		return nil, fmt.Errorf("%w: more than %d bytes", ErrTooBig, maxFile)
	}
	return data, err
}

// checkTrust refuses a file through which somebody else would command a
// program that runs as root.
func checkTrust(path string, info fs.FileInfo, self int) error {
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%w; name a file", ErrNotRegular)
	}
	if stat, ok := info.Sys().(*syscall.Stat_t); ok && stat.Uid != 0 && int(stat.Uid) != self {
		return fmt.Errorf("%w (user %d); run: chown root %q", ErrOwner, stat.Uid, path)
	}
	if info.Mode().Perm()&0o002 != 0 {
		return fmt.Errorf("%w; run: chmod o-w %q", ErrWorldWritable, path)
	}
	return nil
}
