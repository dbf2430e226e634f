package controller

import (
	"os"
	"strings"
	"testing"
	"time"
)

func TestALogThatIsMissingIsToldOnce(t *testing.T) {
	for _, down := range []bool{false, true} {
		inWorld(t, func(t *testing.T, w *world) {
			w.start()
			w.ban(time.Hour, "203.0.113.7")
			w.pass(15 * time.Second)
			if down {
				w.end()
			}
			if err := os.Remove(w.config.State[0]); err != nil {
				t.Fatal(err)
			}
			if down {
				w.start()
			}
			w.pass(time.Minute)
			if n := strings.Count(w.said.String(), "is missing; put it back"); n != 1 {
				t.Errorf("down=%t: a log that is missing is told %d times, want once:\n%s", down, n, w.said.String())
			}
		})
	}
}
