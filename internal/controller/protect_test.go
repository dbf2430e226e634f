package controller

import (
	"errors"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"reconciler/internal/observed"
)

// A gateway does not go because it cannot be seen: a ban that comes meanwhile is
// refused as before, and the reader is told.
func TestWhatWasProtectedStaysSoWhileItCannotBeRead(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		gateway := observed.Protected{Prefix: netip.MustParsePrefix("203.0.113.1/32"), Rule: "a gateway of this host"}
		var mu sync.Mutex
		known, broken := []observed.Protected{gateway}, error(nil)
		turn := func(p []observed.Protected, err error) {
			mu.Lock()
			defer mu.Unlock()
			known, broken = p, err
		}
		l := w.loop(true)
		l.Here = func() ([]observed.Protected, error) {
			mu.Lock()
			defer mu.Unlock()
			return known, broken
		}
		w.startLoop(l)
		w.pass(5 * time.Second)
		turn(nil, errors.New("the routes cannot be read"))
		w.pass(30 * time.Second)
		w.ban(time.Hour, "203.0.113.1", "203.0.113.7")
		w.pass(30 * time.Second)
		w.wantHost(true, "203.0.113.7")
		w.wantHost(false, "203.0.113.1")
		if !strings.Contains(w.said.String(), "the routes cannot be read") {
			t.Error("nobody is told")
		}
		turn(nil, nil)
		w.pass(30 * time.Second)
		w.wantHost(true, "203.0.113.1", "203.0.113.7") // it is a gateway no longer
	})
}

func TestAPlanWarnsOfWhatIsNotProtected(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		l := w.loop(true)
		l.Here = func() ([]observed.Protected, error) { return nil, errors.New("no resolv.conf\nno routes") }
		p, err := l.Plan(t.Context())
		if err != nil || !strings.Contains(strings.Join(p.Warnings, "|"), "no resolv.conf; no routes") {
			t.Errorf("the warnings are %q (%v)", p.Warnings, err)
		}
	})
}
