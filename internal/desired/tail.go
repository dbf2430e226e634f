package desired

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
)

const (
	maxLine    = 1 << 20 // bytes; a longer line is skipped
	readChunk  = 256 << 10
	hashWindow = 4096 // bytes before a cursor that its hash covers
	maxRetries = 16   // whole-rest attempts on one bad line
)

// tail reads the lines of a file that only grows. It keeps its place between
// reads; a last line without its newline is not consumed.
type tail struct {
	offset  int64 // of the first byte that is not consumed
	line    int   // newlines before offset
	size    int64 // of the file when it was last read
	skipped int64 // bytes of a too long line, from offset on, that were looked at
	buffer  []byte
}

// lineFunc takes one line without its newline, the offset of its first byte and
// its number; tooLong means that the line is not to be looked at.
type lineFunc func(line []byte, at int64, number int, tooLong bool)

// partial says that the file ends in a line that is not complete.
func (t *tail) partial() bool { return t.offset < t.size }

// read gives every line that is complete. Its memory is bounded by maxLine.
func (t *tail) read(src io.ReaderAt, use lineFunc) error {
	_, err := t.readPortion(src, use, func() bool { return false })
	return err
}

// readPortion does the same until enough says so, which is asked after each
// line. It reports whether there is more.
func (t *tail) readPortion(src io.ReaderAt, use lineFunc, enough func() bool) (more bool, err error) {
	if len(t.buffer) == 0 {
		t.buffer = make([]byte, readChunk)
	}
	defer func() {
		if len(t.buffer) > readChunk {
			t.buffer = nil
		}
	}()
	for {
		n, err := src.ReadAt(t.buffer, t.offset+t.skipped)
		if err != nil && !errors.Is(err, io.EOF) {
			return false, err
		}
		t.size = t.offset + t.skipped + int64(n)
		read, over := t.consume(t.buffer[:n], use, enough)
		switch {
		case over:
			return true, nil
		case read:
		case n < len(t.buffer):
			return false, nil
		default:
			t.widen(use)
		}
	}
}

// consume takes the complete lines of a chunk, until enough says so. It reports
// whether there was a line, and whether that was enough.
func (t *tail) consume(chunk []byte, use lineFunc, enough func() bool) (read, over bool) {
	for {
		end := bytes.IndexByte(chunk, '\n')
		if end < 0 {
			return read, false
		}
		t.line++
		if t.skipped == 0 {
			use(chunk[:end], t.offset, t.line, end > maxLine)
		}
		t.offset += t.skipped + int64(end) + 1
		t.skipped = 0
		chunk, read = chunk[end+1:], true
		if enough() {
			return read, true
		}
	}
}

// widen goes on when a whole buffer holds no newline: it passes over blanks,
// which a punched hole is full of, reads more, or gives the line up.
func (t *tail) widen(use lineFunc) {
	switch {
	case t.skipped > 0:
		t.skipped += int64(len(t.buffer))
	case len(trimBlank(t.buffer)) == 0:
		t.offset += int64(len(t.buffer))
	case len(t.buffer) <= maxLine:
		t.buffer = make([]byte, 2*len(t.buffer))
	default:
		use(nil, t.offset, t.line+1, true)
		t.skipped = int64(len(t.buffer))
	}
}

// trimBlank cuts spaces and NULs off both ends: what compaction and a crash of
// the system leave in place of text.
func trimBlank(line []byte) []byte { return bytes.Trim(line, " \t\r\x00") }

// hashBefore sums up the bytes before an offset, at most hashWindow of them.
func hashBefore(src io.ReaderAt, offset int64) (string, error) {
	window := make([]byte, min(offset, hashWindow))
	if n, err := src.ReadAt(window, offset-int64(len(window))); n < len(window) {
		return "", err
	}
	sum := sha256.Sum256(window)
	return hex.EncodeToString(sum[:]), nil
}

// matches says that the bytes before an offset are those of a hash.
func matches(src io.ReaderAt, offset int64, hash string) (bool, error) {
	if offset < 0 {
		return false, nil
	}
	found, err := hashBefore(src, offset)
	if errors.Is(err, io.EOF) {
		return false, nil
	}
	return found == hash, err
}

// salvage finds the records in a line that is not one: a writer may have died
// in the middle of its line, and the next one gone on behind it.
func salvage(p *Parser, line []byte) []Record {
	var found []Record
	marker := []byte(`{"op"`)
	retries := 0
	for start := bytes.Index(line, marker); start >= 0; {
		rest := line[start:]
		next := bytes.Index(rest[1:], marker)
		piece := rest
		if next >= 0 {
			piece = rest[:next+1]
		}
		rec, err := p.Parse(trimBlank(piece))
		if err != nil && next >= 0 && start > 0 && retries < maxRetries {
			// The next marker may be inside this very record.
			retries++
			if rec, err = p.Parse(trimBlank(rest)); err == nil {
				return append(found, rec)
			}
		}
		if err == nil {
			found = append(found, rec)
		}
		if next < 0 {
			return found
		}
		start += next + 1
	}
	return found
}
