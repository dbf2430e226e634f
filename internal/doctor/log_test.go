package doctor

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"reconciler/internal/testenv"
)

func TestTheLogMustBeUsableForTheDaemonAndForNobodyElse(t *testing.T) {
	for _, c := range []struct {
		name      string
		file, dir os.FileMode
		owner     int // of the directory; -1 leaves it
		level     Level
		words     string
	}{
		{"as it is made", 0o640, 0o750, -1, OK, "right owner and mode"},
		{"stricter", 0o600, 0o700, -1, OK, "right owner and mode"},
		{"read by all", 0o644, 0o750, -1, Warning, "mode 0644"},
		{"not to be written", 0o440, 0o750, -1, Warning, "mode 0440"},
		{"open directory", 0o640, 0o755, -1, Warning, "mode 0755"},
		{"root's, in the service's directory", 0o600, 0o750, os.Getuid() + 4711, Failure, "another owner"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWard(t)
			log := filepath.Join(w.root, stateDir, "bans.jsonl")
			w.write(stateDir+"/bans.jsonl", "")
			err := errors.Join(os.Chmod(log, c.file), os.Chmod(filepath.Dir(log), c.dir))
			if err != nil {
				t.Fatal(err)
			}
			e := &examination{Patient: w.patient}
			if c.owner >= 0 {
				testenv.NeedRoot(t)
				if err := os.Chown(filepath.Dir(log), c.owner, c.owner); err != nil {
					t.Fatal(err)
				}
			}
			if e.owned(filepath.Dir(log), log) {
				e.ok("log", "right owner and mode")
			}
			if !has(e.findings, "log", c.level, c.words) {
				t.Fatalf("want %s with %q, got:\n%s", c.level, c.words, text(t, e.findings))
			}
			if c.level == OK {
				return
			}
			w.paste(mendOf(e.findings, "log"))
			if e.findings = nil; !e.owned(filepath.Dir(log), log) {
				t.Errorf("the mend has not mended it:\n%s", text(t, e.findings))
			}
		})
	}
}

func TestWhatIsNoTrustedLogHasAMendThatMendsIt(t *testing.T) {
	for _, c := range []struct{ name, harm, words, mend string }{
		{"a link", "mv LOG LOG.real; ln -s LOG.real LOG", "symbolic link", "readlink -f LOG; ${EDITOR:-vi} /etc/reconciler/config.yaml"},
		{"a directory", "rm LOG; mkdir LOG", "not a regular file", "mv LOG LOG.away && systemctl restart reconciler"},
		{"the directory of another", "chown 4711 DIR", "another user", "chown root DIR"},
		{"both of another", "chown 4711 DIR LOG", "another user", "chown root DIR LOG"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if strings.HasPrefix(c.harm, "chown") {
				testenv.NeedRoot(t)
			}
			w := newWard(t)
			log := w.config.State[0]
			names := strings.NewReplacer("LOG", log, "DIR", filepath.Dir(log))
			w.paste(names.Replace(c.harm))
			e := &examination{Patient: w.patient}
			e.log(log)
			if mend := mendOf(e.findings, "log"); !has(e.findings, "log", Failure, c.words) || mend != names.Replace(c.mend) {
				t.Errorf("want the mend %q, got:\n%s", names.Replace(c.mend), text(t, e.findings))
			}
		})
	}
}

func TestAMendOfLogrotateTakesOurLogOutAndLeavesTheRest(t *testing.T) {
	for _, c := range []struct{ name, file, mend, left string }{
		{"glob beside another", "/var/log/o.log STATE/*.jsonl STATE/*.jsonl.1 {\n weekly\n}\n", "sed ", "/var/log/o.log  STATE/*.jsonl.1 {\n weekly\n}\n"},
		{"quoted", "\"STATE/bans.jsonl\" '/x/STATE/bans.jsonl' {\n}\n", "sed ", " '/x/STATE/bans.jsonl' {\n}\n"},
		{"alone", "STATE/*.jsonl {\n weekly\n}\n", "mv ", ""},
		{"alone in one of two rules", "/a {\n}\nSTATE/*.jsonl {\n weekly\n}\n", "${EDITOR:-vi} /etc/logrotate.d/x", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWard(t)
			state := strings.NewReplacer("STATE", filepath.Dir(w.config.State[0]))
			w.write("/etc/logrotate.d/x", state.Replace(c.file))
			e := &examination{Patient: w.patient}
			e.logrotate()
			mend := mendOf(e.findings, "logrotate")
			if !strings.HasPrefix(mend, c.mend) {
				t.Fatalf("the mend is %q, want %q", mend, c.mend)
			}
			if c.left == "" && c.mend != "mv " {
				return // for a person
			}
			w.paste(mend)
			if e.findings = nil; c.left != "" {
				left, err := os.ReadFile(w.root + "/etc/logrotate.d/x")
				if err != nil || string(left) != state.Replace(c.left) {
					t.Errorf("%s leaves %q, want %q", mend, left, state.Replace(c.left))
				}
			}
			if e.logrotate(); Worst(e.findings) != OK {
				t.Errorf("the mend has not mended it:\n%s", text(t, e.findings))
			}
		})
	}
}
