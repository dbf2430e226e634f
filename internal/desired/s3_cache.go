package desired

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

const (
	cacheSuffix = ".snap"
	sharedCache = "shared" // stands for the host of an object that several write
)

// cacheDir gives the directory of the snapshots of an address.
func cacheDir(cache string, a Address) string {
	sum := sha256.Sum256([]byte(a.String()))
	return filepath.Join(cache, "s3", fmt.Sprintf("%s-%x", a.Bucket, sum[:6]))
}

// makeCacheDir makes the directory and those above it within the cache.
func makeCacheDir(dir string) error {
	for _, path := range []string{filepath.Dir(filepath.Dir(dir)), filepath.Dir(dir), dir} {
		made, err := openOrMakeDir(path)
		if err != nil {
			return err
		}
		if err := made.Close(); err != nil {
			return err
		}
	}
	return nil
}

func (l *objectLog) cachePath(dir string) string {
	if l.host == "" {
		return filepath.Join(dir, sharedCache+cacheSuffix)
	}
	return filepath.Join(dir, "host-"+l.host+cacheSuffix)
}

// cachedHosts gives the hosts whose objects have a snapshot.
func cachedHosts(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, unknown("looking for snapshots", err)
	}
	var hosts []string
	for _, e := range entries {
		name, ours := strings.CutPrefix(e.Name(), "host-")
		host, snap := strings.CutSuffix(name, cacheSuffix)
		if ours && snap && CheckHost(host) == nil {
			hosts = append(hosts, host)
		}
	}
	return hosts, nil
}

// loadCache goes on from the snapshot, where there is one. One that is cut or
// damaged is passed over: the object holds every ban that is in force.
func (l *objectLog) loadCache(dir string) error {
	path := l.cachePath(dir)
	file, err := openTrusted(path, unix.O_RDONLY)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return unknown("reading the snapshot", err)
	}
	defer func() { _ = file.Close() }()
	snap, err := readSnapshot(file)
	if errors.Is(err, ErrSnapshotCorrupt) {
		l.incident = fmt.Sprintf("%s: %v; going on with what the object holds", path, err)
		return nil
	}
	if err != nil {
		return unknown("reading the snapshot "+path, err)
	}
	snap.fold.mend(snap.header.Saved)
	l.intake.remarks.take(LineError{Source: path}, snap.fold.remarks)
	if c := snap.header.Object; c != nil && c.Name == l.name && c.Offset >= 0 && c.Lines >= 0 {
		l.cursor = *c
	}
	l.intake.fold, l.memory = snap.fold.goneOn(), snap.header.Memory
	l.intake.badTotal, l.intake.newest = snap.header.BadTotal, snap.fold.newest
	return nil
}

// cacheImage is a snapshot that is to be written.
type cacheImage struct {
	log    *objectLog
	path   string
	data   []byte
	of     string // the state that it shows
	number uint64
}

// cacheWriter writes the snapshots. They are made with the state in hand and
// written without it, so a later one may come first: then the earlier is dropped.
type cacheWriter struct {
	mu      sync.Mutex
	last    uint64            // the number of the last image
	written map[string]uint64 // by path: the number of the latest on disk
	shows   map[string]string // by path: the state that it shows
}

func newCacheWriter() *cacheWriter {
	return &cacheWriter{written: map[string]uint64{}, shows: map[string]string{}}
}

// image makes a snapshot of a log that has changed since the last one, or of
// any that is forced; nil is nothing.
func (w *cacheWriter) image(l *objectLog, dir string, mem Memory, force bool, now time.Time) (*cacheImage, error) {
	of := fmt.Sprint(l.intake.fold.Generation(), l.cursor.Tag, l.cursor.Offset, l.intake.badTotal)
	path := l.cachePath(dir)
	w.mu.Lock()
	defer w.mu.Unlock()
	if !force && of == w.shows[path] {
		return nil, nil
	}
	cursor := l.cursor
	snap := &snapshot{fold: l.intake.fold, header: header{
		Saved: writable(now), BadTotal: l.intake.badTotal, Memory: mem, Object: &cursor,
	}}
	var out bytes.Buffer
	if err := snap.write(&out); err != nil {
		return nil, fmt.Errorf("saving the state of %s: %w", l.name, err)
	}
	w.last++
	return &cacheImage{log: l, path: path, data: out.Bytes(), of: of, number: w.last}, nil
}

// write puts a snapshot on disk, unless a later one is there.
func (w *cacheWriter) write(i *cacheImage) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.written[i.path] > i.number {
		return nil
	}
	err := replaceFile(i.path, func(to io.Writer) error {
		_, err := to.Write(i.data)
		return err
	})
	if err != nil {
		return fmt.Errorf("saving the state of %s: %w", i.log.name, err)
	}
	w.written[i.path], w.shows[i.path] = i.number, i.of
	return nil
}
