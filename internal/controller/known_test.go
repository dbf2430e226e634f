package controller

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// twoLogs is a bastion with a log A, and a log B in a directory of its own.
func (w *world) twoLogs() (a, b string) {
	far := filepath.Join(w.dir, "far")
	if err := os.MkdirAll(far, 0o750); err != nil {
		w.t.Fatal(err)
	}
	w.config.State = append(w.config.State, filepath.Join(far, "more.jsonl"))
	return w.config.State[0], w.config.State[1]
}

// put appends a ban to any log; seconds of -1 are for ever.
func (w *world) put(log, addr string, seconds int) {
	w.t.Helper()
	f, err := os.OpenFile(log, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o640)
	if err != nil {
		w.t.Fatal(err)
	}
	_, err = fmt.Fprintf(f, "{\"op\":\"ban\",\"ip\":%q,\"jail\":\"sshd\",\"host\":\"bastion\",\"time\":%d,\"bantime\":%d}\n", addr, time.Now().Unix(), seconds)
	if err := errorsJoin(err, f.Close()); err != nil {
		w.t.Fatal(err)
	}
}

func lose(t *testing.T, paths ...string) {
	t.Helper()
	for _, p := range paths {
		if err := os.Remove(p); err != nil {
			t.Fatal(err)
		}
	}
}

// What a log wants of which nothing is left is neither lifted nor shortened by
// what the other log wants, wherever the daemon died, and also by one apply.
func TestALogThatIsAwayAtAStartShortensAndLiftsNothing(t *testing.T) {
	away := func(t *testing.T, _, b string) {
		if err := os.Rename(filepath.Dir(b), filepath.Dir(b)+".away"); err != nil {
			t.Fatal(err)
		}
	}
	for name, take := range map[string]func(t *testing.T, a, b string){
		"its directory is away":           away,
		"log and snapshot are removed":    func(t *testing.T, _, b string) { lose(t, b, b+".snap") },
		"all that lies beside it is gone": func(t *testing.T, _, b string) { lose(t, b, b+".snap", b+".snap.lock") },
		"another log is in its place":     func(t *testing.T, _, b string) { lose(t, b, b+".snap"); _ = os.WriteFile(b, nil, 0o640) },
		"the memory of the first is gone": func(t *testing.T, a, b string) { lose(t, a+".snap", b, b+".snap") },
	} {
		for _, once := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/once=%t", name, once), func(t *testing.T) {
				inWorld(t, func(t *testing.T, w *world) {
					a, b := w.twoLogs()
					w.start()
					w.pass(time.Second)
					w.put(b, "203.0.113.7", -1)
					w.pass(30 * time.Second)
					w.end()
					take(t, a, b)
					w.put(a, "203.0.113.7", 8)
					w.put(a, "203.0.113.8", 8)
					if once {
						_, _ = w.loop(true).Once(t.Context(), false)
						_ = w.store.Close()
						w.pass(20 * time.Second)
						_, _ = w.loop(true).Once(t.Context(), false)
						_ = w.store.Close()
					} else {
						w.start()
					}
					w.pass(3 * time.Minute)
					w.wantHost(true, "203.0.113.7")
					w.wantHost(false, "203.0.113.8") // the kernel ended it
					w.wantEdge(w.acl, "203.0.113.7/32")
					if once {
						return
					}
					said := fmt.Sprint(w.store.Sources(time.Now()))
					if strings.Contains(said, "no record yet") || !strings.Contains(w.said.String(), "degraded") {
						t.Errorf("the loss is not told: %s", said)
					}
					w.log(fmt.Sprintf(`{"op":"unban","ip":"203.0.113.7","time":%d}`, time.Now().Unix()))
					w.pass(2 * time.Minute)
					w.wantHost(false, "203.0.113.7") // an operator's own word reaches all logs
				})
			})
		}
	}
}

func TestALogThatComesBackIsKnownAgain(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a, b := w.twoLogs()
		w.start()
		w.put(b, "203.0.113.7", 60)
		w.pass(30 * time.Second)
		w.end()
		away := b + ".away"
		if err := os.Rename(b, away); err != nil {
			t.Fatal(err)
		}
		lose(t, b+".snap")
		w.put(a, "203.0.113.9", 60)
		w.start()
		w.pass(2 * time.Minute)
		w.wantEdge(w.acl, "203.0.113.7/32", "203.0.113.9/32") // it may want both
		if err := os.Rename(away, b); err != nil {
			t.Fatal(err)
		}
		w.pass(2 * time.Minute)
		if got := w.denies(w.acl); len(got) != 0 {
			t.Errorf("the log is back, and what has ended is still denied: %v", got)
		}
	})
}

// The log is there, but it was compacted, and its snapshot is lost. A restart does
// not forget that; a confirm does.
func TestALostSnapshotIsMissedUntilSomebodyConfirmsIt(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.config.CompactAt = 1
		w.start()
		w.pass(time.Second)
		w.put(w.config.State[0], "203.0.113.7", -1)
		for i := range 400 {
			w.put(w.config.State[0], fmt.Sprintf("198.51.100.%d", i%200), 30)
		}
		w.pass(40 * time.Second)
		w.end()
		w.config.CompactAt = 1 << 20
		lose(t, w.config.State[0]+".snap")
		w.put(w.config.State[0], "203.0.113.7", 8)
		for range 2 {
			w.start()
			w.pass(30 * time.Second)
			w.wantHost(true, "203.0.113.7")
			w.end()
		}
		w.start()
		w.pass(30 * time.Second)
		w.record("confirm")
		w.pass(time.Minute)
		w.wantHost(false, "203.0.113.7")
		if words := w.store.Sources(time.Now())[0].Unknown; words != "" {
			t.Errorf("after the confirm it is still missed: %s", words)
		}
	})
}

func TestALogThatNeverWasMakesNoTrouble(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		_, b := w.twoLogs()
		for range 2 {
			w.start()
			w.ban(30*time.Second, "203.0.113.7")
			w.pass(2 * time.Minute)
			if got := w.denies(w.acl); len(got) != 0 {
				t.Errorf("with a second log that never had a record the ACL still denies %v", got)
			}
			w.end()
			_ = os.Remove(b)
		}
	})
}
