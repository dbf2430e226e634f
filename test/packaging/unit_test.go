package packaging

import (
	"os"
	"strings"
	"testing"
)

// systemd runs the commands of a reload in their order and stops at one that fails.
func TestAReloadOfTheUnitChecksTheConfigurationBeforeTheDaemonIsAskedToReadIt(t *testing.T) {
	unit, err := os.ReadFile("../../deploy/systemd/reconciler.service")
	if err != nil {
		t.Fatal(err)
	}
	var reload []string
	for line := range strings.Lines(string(unit)) {
		if command, ok := strings.CutPrefix(line, "ExecReload="); ok {
			reload = append(reload, strings.TrimSpace(command))
		}
	}
	want := "/usr/bin/reconciler check, /bin/kill -HUP $MAINPID"
	if got := strings.Join(reload, ", "); got != want {
		t.Errorf("a reload runs %s, want %s", got, want)
	}
}
