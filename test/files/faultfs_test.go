//go:build e2e

package files

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"testing"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

// fault is what a disk does wrong. An operation is hit when its kind and its
// file match; empty means any.
type fault struct {
	Ops   []string      // such as "write", see the methods
	Name  string        // the last part of the file's path, or of a new file's name
	Errno syscall.Errno // what the operation ends with
	Short bool          // writes take the first half instead, and tell so
	Drop  bool          // fsync fails and what was not synced is gone (ext4, after an error of the device)
	From  int           // so many matching operations succeed first
	Count int           // so many are hit then; 0: all
}

func (f fault) String() string {
	what := f.Errno.Error()
	if f.Short {
		what = "half of what was written"
	}
	if f.Drop {
		what += ", unsynced bytes gone"
	}
	return what
}

// disk is a file system that shows a directory and fails on demand.
type disk struct {
	fuse.RawFileSystem

	Dir  string // where it is mounted
	Back string // what it shows, for a look past every fault

	mu     sync.Mutex
	fault  *fault
	match  int               // operations that matched the fault
	hits   int               // of those, how many were hit
	calls  []string          // all operations since the last arm or heal
	names  map[uint64]string // of each inode, the last name under which it was found
	synced map[uint64]int64  // the size of each file at its last fsync
}

// newDisk mounts a disk until the end of the test. Nothing about a file is
// cached, so that every look at it is an operation.
func newDisk(t *testing.T) *disk {
	t.Helper()
	d := &disk{Dir: t.TempDir(), Back: t.TempDir(), names: map[uint64]string{}, synced: map[uint64]int64{}}
	root, err := fs.NewLoopbackRoot(d.Back)
	if err != nil {
		t.Fatal(err)
	}
	d.RawFileSystem = fs.NewNodeFS(root, &fs.Options{})
	server, err := fuse.NewServer(d, d.Dir, &fuse.MountOptions{
		DirectMountStrict: true, FsName: "faults", Name: "faults",
		DisableXAttrs: true, DisableReadDirPlus: true, Options: []string{"default_permissions"},
		DisabledCapabilities: fuse.CAP_PASSTHROUGH, // which would hand reads and writes past us
	})
	if err != nil {
		t.Fatalf("mounting the failing file system: %v", err)
	}
	go server.Serve()
	if err := server.WaitMount(); err != nil {
		t.Fatalf("waiting for the failing file system: %v", err)
	}
	t.Cleanup(func() {
		d.heal()
		if err := unix.Unmount(d.Dir, unix.MNT_DETACH); err != nil {
			t.Errorf("unmounting %s: %v", d.Dir, err)
		}
	})
	return d
}

// arm lets the disk fail from now on.
func (d *disk) arm(f fault) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.fault, d.match, d.hits, d.calls = &f, 0, 0, nil
}

// heal ends the fault and says how many operations it has hit.
func (d *disk) heal() (hits int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	hits = d.hits
	d.fault, d.match, d.hits, d.calls = nil, 0, 0, nil
	return hits
}

// trail gives all operations since the last arm or heal.
func (d *disk) trail() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.calls)
}

// operation counts one operation and gives the fault that it meets, if any.
func (d *disk) operation(op string, node uint64, name string) (fault, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if name == "" {
		name = d.names[node]
	}
	d.calls = append(d.calls, op+" "+name)
	f := d.fault
	if f == nil || len(f.Ops) > 0 && !slices.Contains(f.Ops, op) || f.Name != "" && f.Name != name {
		return fault{}, false
	}
	if f.Short && op != "write" || f.Drop && op != "fsync" {
		return fault{}, false
	}
	d.match++
	if d.match <= f.From || f.Count > 0 && d.match > f.From+f.Count {
		return fault{}, false
	}
	d.hits++
	return *f, true
}

// fails is operation for those that simply end with an error.
func (d *disk) fails(op string, node uint64, name string) (fuse.Status, bool) {
	f, hit := d.operation(op, node, name)
	return fuse.Status(f.Errno), hit
}

func (d *disk) named(node uint64, name string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.names[node] = name
}

// drop takes away what came to a file after its last fsync.
func (d *disk) drop(node uint64) {
	d.mu.Lock()
	name, size := d.names[node], d.synced[node]
	d.mu.Unlock()
	_ = os.Truncate(filepath.Join(d.Back, name), size) // a file of another directory stays as it is
}

func (d *disk) settled(node uint64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if info, err := os.Stat(filepath.Join(d.Back, d.names[node])); err == nil {
		d.synced[node] = info.Size()
	}
}

func (d *disk) String() string { return fmt.Sprintf("faults over %s", d.Back) }
