package desired

import (
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
	"os"

	"golang.org/x/sys/unix"
)

// Held is, by Network ACL, every prefix that may be in it. It is on disk before
// an ACL is written to, in a file of its own: the snapshot grows with the bans,
// and this only with the slots.
type Held map[string][]netip.Prefix

// heldSuffix is what its file is called after the snapshot's.
const heldSuffix = ".held"

// HeldPath gives where what the ACLs may hold is kept.
func (f *File) HeldPath() string { return f.snapPath() + heldSuffix }

// HeldPath gives where what the ACLs may hold is kept; only a target has a place.
func (r *Remote) HeldPath() string {
	if r.own == nil {
		return ""
	}
	return r.own.cachePath(r.dir) + heldSuffix
}

// ReadHeld reads what SaveHeld has written.
func ReadHeld(path string) (Held, error) {
	file, err := openTrusted(path, unix.O_RDONLY)
	if err != nil {
		return nil, fmt.Errorf("reading what the ACLs may hold: %w", err)
	}
	defer func() { _ = file.Close() }()
	var h Held
	if err := json.NewDecoder(io.LimitReader(file, maxSnapshotLine)).Decode(&h); err != nil {
		return nil, fmt.Errorf("reading what the ACLs may hold from %s: %w", path, err)
	}
	return h, nil
}

// SaveHeld makes it durable. Where it cannot, it takes the file away if it can:
// without one every ACL is asked before a prefix is forgotten.
func SaveHeld(path string, h Held) error {
	err := replaceFile(path, func(w io.Writer) error { return json.NewEncoder(w).Encode(h) })
	if err != nil {
		_ = os.Remove(path)
		return fmt.Errorf("saving what the ACLs may hold in %s: %w", path, err)
	}
	return nil
}
