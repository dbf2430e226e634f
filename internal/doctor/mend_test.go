package doctor

import (
	"context"
	"errors"
	"os/exec"
	"strings"
	"testing"
	"time"

	"reconciler/internal/config"
	"reconciler/internal/observed"
)

// mendOf gives what the first defect of a check is mended with.
func mendOf(found []Finding, check string) string {
	for _, f := range found {
		if f.Check == check && f.Level != OK {
			return f.Mend
		}
	}
	return ""
}

// paste runs a mend on the ward's own files.
func (w *ward) paste(mend string) {
	w.t.Helper()
	mend, _, _ = strings.Cut(mend, " && fail2ban-client")
	cmd := exec.CommandContext(w.t.Context(), "sh", "-euc", strings.NewReplacer(" /etc/", " "+w.root+"/etc/", ">/etc/", ">"+w.root+"/etc/").Replace(mend))
	if out, err := cmd.CombinedOutput(); err != nil {
		w.t.Fatalf("%s: %v: %s", mend, err, out)
	}
}

func TestEachDefectHasAMend(t *testing.T) {
	w := newWard(t)
	w.patient.Host = brokenFirewall{}
	w.patient.Config.File = "/srv/our.yaml"
	e := &examination{Patient: w.patient, ctx: t.Context()}
	e.firewall()
	if mend := mendOf(e.findings, "firewall"); !strings.Contains(mend, "iptables-save") || !strings.Contains(mend, "ipset list") {
		t.Errorf("the mend of a firewall that cannot be read is %q", mend)
	}
	if got := e.edit(); got != "${EDITOR:-vi} /srv/our.yaml" {
		t.Errorf("the settings are edited with %q", got)
	}
	if e.Config.File = ""; e.edit() != "${EDITOR:-vi} "+config.DefaultPath {
		t.Errorf("the settings are edited with %q", e.edit())
	}
}

// brokenFirewall cannot be read.
type brokenFirewall struct{}

func (brokenFirewall) Read(context.Context, time.Time) (observed.Host, error) {
	return observed.Host{}, errors.New("a line that nobody knows")
}
