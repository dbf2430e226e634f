//go:build e2e

package bastion

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// order says what may be asked of the host's firewall.
type order int

const (
	inOrder   order = iota
	rebooting       // nobody can look at it, and nobody may get in
	broken          // by our own hand: the ACL alone must hold
)

// watcher looks all the while whether each address that is to be banned is in
// the host's set or in the ACL, and knocks at the bastion from some of them.
type watcher struct {
	guest *guest
	edge  *edge
	net   *internet

	mu      sync.Mutex
	wanted  map[netip.Addr]bool
	host    order
	samples int
	knocks  int
	gaps    map[netip.Addr]string // the first gap of each
}

func newWatcher(g *guest, e *edge, n *internet) *watcher {
	return &watcher{guest: g, edge: e, net: n, wanted: map[netip.Addr]bool{}, gaps: map[netip.Addr]string{}}
}

const (
	sampleEvery = 100 * time.Millisecond
	knockEvery  = 50 * time.Millisecond
)

// watch samples and knocks until the context ends.
func (w *watcher) watch(ctx context.Context) {
	var both sync.WaitGroup
	both.Go(func() {
		for ctx.Err() == nil {
			w.sample(ctx)
			sleep(ctx, sampleEvery)
		}
	})
	both.Go(func() {
		for i := 0; ctx.Err() == nil; i++ {
			w.knock(i)
			sleep(ctx, knockEvery)
		}
	})
	both.Wait()
}

func sleep(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// sample looks at both places once. What is wanted is asked for first and again
// at the end, so that a ban which is lifted rightly meanwhile is no gap.
func (w *watcher) sample(ctx context.Context) {
	before := w.now()
	if len(before) == 0 {
		return
	}
	host, err := w.guest.banned(ctx)
	acl := w.edge.holds()
	if errors.Is(err, errDown) || ctx.Err() != nil {
		return // between two boots there is nothing to read; the knocks go on
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.host != inOrder {
		return
	}
	w.samples++
	for _, a := range before {
		if w.wanted[a] && !host[a] && !acl[a] {
			w.gap(a, fmt.Sprintf("is neither in the host's set (%d entries, %v) nor in the ACL", len(host), err))
		}
	}
}

// knock tries one of the banned: those that the ACL stops and those that the
// host refuses take turns. While the host's firewall is broken only the former
// must be stopped.
func (w *watcher) knock(turn int) {
	acl := w.edge.holds()
	var some []netip.Addr
	for _, a := range w.now() {
		if w.net.people[a] && acl[a] == (turn%2 == 0) {
			some = append(some, a)
		}
	}
	if len(some) == 0 {
		return
	}
	a := some[turn/2*7%len(some)]
	strict := acl[a] || w.state() != broken
	err := w.net.knock(a)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.knocks++
	if err == nil && strict && w.wanted[a] && (acl[a] || w.host != broken) {
		w.gap(a, "was let in")
	}
}

// gap notes the first gap of an address. w.mu is held.
func (w *watcher) gap(a netip.Addr, what string) {
	if _, known := w.gaps[a]; !known {
		w.gaps[a] = time.Now().Format("15:04:05.000") + ": " + a.String() + " " + what
	}
}

// expect adds addresses that are enforced from now on.
func (w *watcher) expect(list ...netip.Addr) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, a := range list {
		w.wanted[a] = true
	}
}

// release takes addresses out, before they are lifted.
func (w *watcher) release(list ...netip.Addr) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, a := range list {
		delete(w.wanted, a)
	}
}

func (w *watcher) state() order {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.host
}

func (w *watcher) set(o order) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.host = o
}

// now gives what is wanted, sorted.
func (w *watcher) now() []netip.Addr {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.SortedFunc(maps.Keys(w.wanted), netip.Addr.Compare)
}

// report gives how often was looked and knocked since the last report, and the
// gaps that were found.
func (w *watcher) report() (samples, knocks int, gaps []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	samples, knocks, gaps = w.samples, w.knocks, slices.Sorted(maps.Values(w.gaps))
	w.samples, w.knocks = 0, 0
	clear(w.gaps)
	return samples, knocks, gaps
}

// banned reads the host's sets, with the kernel's own words.
func (g *guest) banned(ctx context.Context) (map[netip.Addr]bool, error) {
	cmd, err := g.enter(ctx, []string{"--net"}, "ipset", "save")
	if err != nil {
		return nil, err
	}
	out, err := cmd.Output()
	if err != nil {
		if g.leader() == 0 {
			err = errDown
		}
		return nil, fmt.Errorf("reading the sets: %w", err)
	}
	held := map[netip.Addr]bool{}
	lines := bufio.NewScanner(bytes.NewReader(out))
	for lines.Scan() {
		f := strings.Fields(lines.Text())
		if len(f) < 3 || f[0] != "add" || !strings.HasPrefix(f[1], "f2b-reconciler-v") {
			continue
		}
		if a, err := netip.ParseAddr(f[2]); err == nil {
			held[a] = true
		}
	}
	return held, nil
}

// isRefused says that a connection was answered with a refusal.
func isRefused(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && (errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.EHOSTUNREACH) ||
		errors.Is(err, syscall.ENETUNREACH) || errors.Is(err, syscall.EACCES))
}
