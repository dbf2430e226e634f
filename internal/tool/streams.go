package tool

import (
	"errors"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// streams are the three of a program, each a file in memory. Nothing has to be
// copied while the program runs, so what it left behind with a stream still open
// holds nobody up, and its end alone says whether it succeeded.
type streams struct{ in, out, err *os.File }

// openStreams holds the whole input before the program starts. Through a pipe, a
// program whose caller is killed half way would take the beginning of a line for
// all of it: `add set 198.51.100.1` instead of 198.51.100.17.
func openStreams(input []byte) (s streams, err error) {
	for _, f := range []struct {
		to   **os.File
		name string
		text []byte
	}{{&s.in, "stdin", input}, {&s.out, "stdout", nil}, {&s.err, "stderr", nil}} {
		if *f.to, err = memoryFile(f.name, f.text); err != nil {
			s.close()
			return streams{}, err
		}
	}
	return s, nil
}

func (s streams) close() {
	for _, f := range []*os.File{s.in, s.out, s.err} {
		if f != nil {
			_ = f.Close() // nothing of it was on a disk
		}
	}
}

// memoryFile is one that nobody can execute: hosts with vm.memfd_noexec=2 allow
// no other (Linux 6.3, Documentation/userspace-api/mfd_noexec.rst).
func memoryFile(name string, text []byte) (*os.File, error) {
	fd, err := unix.MemfdCreate(name, unix.MFD_CLOEXEC|unix.MFD_NOEXEC_SEAL)
	if errors.Is(err, unix.EINVAL) { // an older kernel
		fd, err = unix.MemfdCreate(name, unix.MFD_CLOEXEC)
	}
	if err != nil {
		return nil, os.NewSyscallError("memfd_create", err)
	}
	file := os.NewFile(uintptr(fd), name)
	if _, err = file.Write(text); err == nil {
		_, err = file.Seek(0, io.SeekStart)
	}
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}

// content gives the first bytes of the file, wherever the program's own place in
// it is.
func content(file *os.File, limit int64) ([]byte, error) {
	return io.ReadAll(io.NewSectionReader(file, 0, limit))
}
