package controller

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// stray puts an entry that no record explains into the set of the host.
func (w *world) stray(addr string) {
	w.fw.Somebody("add f2b-reconciler-v4 "+addr+" timeout 30000\n", "ipset", "-exist", "restore")
}

// A confirm is an answer to a report: what came before the report, or came back
// with a log, or is of long ago, is none.
func TestOnlyAConfirmThatAnswersTheReportLetsRemovalsThrough(t *testing.T) {
	for name, tc := range map[string]struct {
		confirm func(w *world)
		through bool
	}{
		"given after the report":          {func(w *world) { w.record("confirm") }, true},
		"without a time":                  {func(w *world) { w.log(`{"op":"confirm"}`) }, true},
		"of a time that is still to come": {func(w *world) { w.log(`{"op":"confirm","time":253402300799}`) }, true},
		"of an hour ago":                  {func(w *world) { w.log(fmt.Sprintf(`{"op":"confirm","time":%d}`, time.Now().Unix()-3000)) }, false},
		"of just before the report":       {func(w *world) { w.log(fmt.Sprintf(`{"op":"confirm","time":%d}`, time.Now().Unix()-40)) }, false},
		"given before a restart":          {func(w *world) { w.end(); w.record("confirm"); w.start() }, false},
		"read and saved before a restart": {func(w *world) { w.record("confirm"); w.end(); w.stray("192.0.2.1"); w.start() }, false},
		"in a log that was put in its place": {func(w *world) {
			text := fmt.Sprintf("{\"op\":\"confirm\",\"time\":%d}\n", time.Now().Unix()+1)
			w.pass(2 * time.Second)
			if err := os.Remove(w.config.State[0]); err != nil {
				w.t.Fatal(err)
			}
			w.pass(2 * time.Second)
			if err := writeFile(w.config.State[0], text); err != nil {
				w.t.Fatal(err)
			}
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(_ *testing.T, w *world) {
				w.start()
				w.ban(time.Hour, "203.0.113.7")
				w.pass(5 * time.Second)
				w.stray("192.0.2.1")
				w.pass(20 * time.Second)
				tc.confirm(w)
				w.pass(40 * time.Second)
				w.wantHost(!tc.through, "192.0.2.1")
				w.wantHost(true, "203.0.113.7")
			})
		})
	}
}

func TestAConfirmLetsThroughWhatWasReportedAndNotWhatCameLater(t *testing.T) {
	inWorld(t, func(_ *testing.T, w *world) {
		w.start()
		w.ban(time.Hour, "203.0.113.7")
		w.pass(5 * time.Second)
		w.stray("192.0.2.1")
		w.pass(20 * time.Second)
		w.record("confirm")
		w.stray("192.0.2.2") // nobody has looked at it yet
		w.pass(40 * time.Second)
		w.wantHost(false, "192.0.2.1")
		w.wantHost(true, "192.0.2.2")
		w.stray("192.0.2.1") // the same again is another one
		w.pass(40 * time.Second)
		w.wantHost(true, "192.0.2.1", "192.0.2.2")
	})
}

// The state is lost, and the log that comes back holds a confirm.
func TestALogThatIsPutBackConfirmsNothing(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.start()
		w.ban(24*time.Hour, addrs(20)...)
		w.pass(5 * time.Second)
		w.record("confirm")
		w.pass(50 * time.Minute)
		w.end()
		away := filepath.Join(w.dir, "away")
		if err := os.Rename(w.config.State[0], away); err != nil {
			t.Fatal(err)
		}
		for _, derived := range []string{".snap", ".snap.lock"} {
			if err := removeFile(w.config.State[0] + derived); err != nil {
				t.Fatal(err)
			}
		}
		w.start()
		w.pass(30 * time.Second)
		w.wantHost(true, addrs(20)...)
		confirm := fmt.Sprintf("{\"op\":\"confirm\",\"time\":%d}\n", time.Now().Unix()-3000)
		if err := writeFile(away, confirm); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(away, w.config.State[0]); err != nil {
			t.Fatal(err)
		}
		w.pass(2 * time.Minute)
		w.wantHost(true, addrs(20)...)
	})
}
