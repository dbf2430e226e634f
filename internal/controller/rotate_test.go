package controller

import (
	"fmt"
	"os"
	"testing"
	"time"
)

// Whatever turns the log over, and however, lifts nothing; what is appended
// afterwards counts, also to lift what was in the old log.
func TestALogThatIsRotatedLiftsNothingAndGoesOn(t *testing.T) {
	variants := map[string]func(log string) error{
		"create":       func(log string) error { return errorsJoin(os.Rename(log, log+".1"), os.WriteFile(log, nil, 0o640)) },
		"nocreate":     func(log string) error { return os.Rename(log, log+".1") },
		"copytruncate": func(log string) error { return os.Truncate(log, 0) },
		"an old copy":  replaceByItsFirstLine,
	}
	for name, rotate := range variants {
		for _, down := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/down=%t", name, down), func(t *testing.T) {
				inWorld(t, func(t *testing.T, w *world) {
					w.neverUnblocked(addrs(4))
					w.start()
					w.ban(time.Hour, addrs(5)...)
					w.pass(15 * time.Second)
					if down {
						w.end()
					}
					if err := rotate(w.config.State[0]); err != nil {
						t.Fatal(err)
					}
					if down {
						w.start()
					}
					w.pass(2 * time.Second)
					w.wantHost(true, addrs(5)...)
					w.ban(time.Hour, "203.0.113.77")
					w.pass(2 * time.Second)
					w.wantHost(true, append(addrs(5), "203.0.113.77")...)
					w.unban("203.0.113.5")
					w.pass(90 * time.Second)
					w.wantHost(false, "203.0.113.5")
					w.wantHost(true, append(addrs(4), "203.0.113.77")...)
					w.wantEdge(w.acl, "203.0.113.1/32", "203.0.113.77/32")
				})
			})
		}
	}
}

func replaceByItsFirstLine(path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	for i, b := range text {
		if b == '\n' {
			text = text[:i+1]
			break
		}
	}
	return errorsJoin(os.WriteFile(path+".old", text, 0o640), os.Rename(path+".old", path))
}
