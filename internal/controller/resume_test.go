package controller

import (
	"strings"
	"testing"
	"time"
)

func TestAResumeRightAfterAPauseFailsAtNothing(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.start()
		w.ban(time.Hour, "203.0.113.7")
		w.pass(5 * time.Second)
		w.record("pause")
		w.pass(time.Second)
		w.wantHost(false, "203.0.113.7")
		w.record("resume")
		w.pass(500 * time.Millisecond)
		w.wantHost(true, "203.0.113.7")
		if said := w.said.String(); strings.Contains(said, "failed") {
			t.Errorf("a resume one second after a pause met a failure:\n%s", said)
		}
	})
}
