//go:build e2e

package files

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"reconciler/internal/testenv"
	"reconciler/test/program"
)

// Whatever operation of the log's file system fails, an apply lifts no ban that
// is wanted and blocks nobody else, and exits 0 only when all is done; the next
// one, on a disk that is well, reaches the goal.
func TestAnApplyOverAFailingDiskLiftsNothing(t *testing.T) {
	t.Parallel()
	testenv.Need(t)
	for name, c := range map[string]struct {
		fault
		step int // each so many operations
	}{
		"an error once":       {fault{Errno: unix.EIO, Count: 1}, 1},
		"a disk that is gone": {fault{Errno: unix.EIO}, 7},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := &appliesOverDisk{disk: newDisk(t), kept: []string{"203.0.113.1", "203.0.113.2"}, added: "198.18.0.1"}
			a.site = newSite(t, filepath.Join(a.Dir, "bans.jsonl"))
			a.env = append(a.env, "RECONCILER_HOST=none")
			put(t, a.log, program.Lines(append(a.kept, a.added)...))
			a.must("apply")
			for n := 0; a.apply(c.fault, n); n += c.step {
			}
			t.Logf("%d applies, of which %d failed", a.all, a.failed)
			if a.failed == 0 || a.failed == a.all || a.all > 300 {
				t.Errorf("of %d applies over a failing disk %d failed, want some, and an end", a.all, a.failed)
			}
		})
	}
}

// appliesOverDisk is a bastion on which one ban comes and one goes in each round.
type appliesOverDisk struct {
	*disk
	*site
	kept          []string
	lifted, added string
	all, failed   int
}

// apply lets one operation fail and looks what has become of the ACL. It gives
// false when nothing failed any more, or when the test has failed.
func (a *appliesOverDisk) apply(f fault, n int) bool {
	a.lifted, a.added = a.added, fmt.Sprintf("198.18.1.%d", n)
	a.grow(a.log, program.Lines(a.added)+fmt.Sprintf(`{"op":"unban","ip":%q,"time":%d}`+"\n", a.lifted, time.Now().Unix()))
	f.From = n
	a.arm(f)
	out := a.run("apply")
	at := fmt.Sprintf("with %v from operation %d on (of %v)", f, n, a.trail())
	hits := a.heal()
	a.wantEdge(at, out.status == 0)
	a.all++
	if out.status != 0 {
		a.failed++
		if !strings.Contains(out.stderr, f.Errno.Error()) {
			a.t.Errorf("%s the apply fails and does not say why: %s", at, out.stderr)
		}
	}
	if next := a.run("apply"); next.status != 0 {
		a.t.Fatalf("%s the apply says %s\nand the next one exits %d and says: %s", at, out.stderr, next.status, next.stderr)
	}
	a.wantEdge(at+", after the next apply,", true)
	return hits > 0 && !a.t.Failed()
}

// wantEdge checks the ACL: the kept ones are there, and when it is done so is
// the added one and the lifted one is not.
func (a *appliesOverDisk) wantEdge(at string, done bool) {
	a.t.Helper()
	for _, ip := range a.kept {
		if !a.inACL(ip) {
			a.t.Errorf("%s %s is no longer denied, and still wanted", at, ip)
		}
	}
	if done && (!a.inACL(a.added) || a.inACL(a.lifted)) {
		a.t.Errorf("%s the apply tells success, but %s is denied: %t, and %s: %t", at, a.added, a.inACL(a.added), a.lifted, a.inACL(a.lifted))
	}
	for _, e := range a.sim.Entries(a.acl) {
		ip, _, _ := strings.Cut(e.Prefix.String(), "/")
		if !e.Egress && !e.Allow && !e.Default() && !slices.Contains(append(a.kept, a.lifted, a.added), ip) {
			a.t.Errorf("%s %s is denied, which nobody asked for", at, ip)
		}
	}
}
