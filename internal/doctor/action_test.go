package doctor

import (
	"net/netip"
	"os"
	"strings"
	"testing"
)

const stateQuestion = "fail2ban-client get sshd action reconciler state"

func TestTheLogThatFail2banAppendsToIsFoundWhoeverNamesIt(t *testing.T) {
	for _, c := range []struct {
		name string
		harm func(w *ward)
		mend string // "" is no defect
	}{
		{"the operator's file says ours, the action's not", func(w *ward) {
			w.write(actionFile, "[Init]\nstate = /srv/x.jsonl\n")
			w.write(actionLocal, "[Init]\nstate = "+w.config.State[0]+"\n")
		}, ""},
		{"the jail says ours, the files do not", func(w *ward) { w.write(actionFile, "[Init]\nstate = /srv/x.jsonl\n") }, ""},
		{"the operator's file says another", func(w *ward) {
			w.write(actionLocal, "[Init]\nstate = /srv/x.jsonl\ndefer = 9\n")
			w.answers[stateQuestion] = "/srv/x.jsonl\n"
		}, "sed -i 's#^state"},
		{"the action's file says another", func(w *ward) {
			w.write(actionFile, "[Init]\nstate = /srv/x.jsonl\n")
			w.answers[stateQuestion] = "/srv/x.jsonl\n"
		}, "printf "},
		{"the operator's file sets something else", func(w *ward) {
			w.write(actionFile, "[Init]\nstate = /srv/x.jsonl\n")
			w.write(actionLocal, "[Init]\ndefer = 9\n")
			w.answers[stateQuestion] = "/srv/x.jsonl\n"
		}, "sed -i '/^\\[Init"},
		{"the jail says another", func(w *ward) {
			w.write("/etc/fail2ban/jail.d/a.conf", "[sshd]\naction = reconciler[defer=9, state=\"s3://b/p/\"]\n         iptables\n")
			w.answers[stateQuestion] = "s3://b/p/\n"
		}, "sed -i '/reconciler"},
		{"it was not loaded since", func(w *ward) { w.answers[stateQuestion] = "/srv/x.jsonl\n" }, "fail2ban-client reload --restart sshd"},
		{"it does not run, and the operator's file says another", func(w *ward) {
			w.write(actionLocal, "[Init]\nstate = /srv/x.jsonl\n")
			delete(w.answers, "fail2ban-client status")
		}, "sed -i 's#^state"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWard(t)
			c.harm(w)
			e := &examination{Patient: w.patient, ctx: t.Context()}
			e.fail2ban()
			mend := mendOf(e.findings, "action")
			if !strings.HasPrefix(mend, c.mend) || (mend == "") != (c.mend == "") {
				t.Fatalf("the mend is %q, want %q:\n%s", mend, c.mend, text(t, e.findings))
			}
			if c.mend == "" || strings.HasPrefix(mend, "fail2ban-client") {
				return
			}
			w.paste(mend)
			jail, _ := os.ReadFile(w.root + "/etc/fail2ban/jail.d/a.conf")
			if got := e.stateInFiles(); got != w.config.State[0] || len(jail) > 0 && !strings.Contains(string(jail), `defer=9, state="`+got+`"]`) {
				t.Errorf("after %s the files say %q, the jail %q", mend, got, jail)
			}
			if !has(e.findings, "fail2ban bans", OK, "") && w.answers["fail2ban-client status"] != "" {
				t.Errorf("the other checks of fail2ban were left out:\n%s", text(t, e.findings))
			}
		})
	}
}

func TestAFail2banThatDoesNotRunSaysWhy(t *testing.T) {
	w := newWard(t)
	delete(w.answers, "fail2ban-client status")
	w.refused["fail2ban-client status"] = "ERROR   Failed to access socket path: /var/run/fail2ban/fail2ban.sock. Is fail2ban running?"
	if found := w.examine(); !strings.HasPrefix(mendOf(found, "fail2ban"), "systemctl enable --now fail2ban") {
		t.Errorf("the mend of a server that was not started is %q", mendOf(found, "fail2ban"))
	}
	w.refused["fail2ban-client --test"] = "ERROR   Failed during configuration: Have not found any log file for sshd jail"
	if found := w.examine(); !has(found, "fail2ban", Failure, "log file is not there") || !strings.Contains(mendOf(found, "fail2ban"), "backend = systemd") {
		t.Errorf("of a jail without a log file the doctor says:\n%s", text(t, found))
	}
	w.refused["fail2ban-client --test"] = "ERROR   Failed during configuration: Have not found any log file for nginx jail"
	if mend := mendOf(w.examine(), "fail2ban"); strings.Contains(mend, "sshd") {
		t.Errorf("the mend of another jail without a log file is %q", mend)
	}
}

func TestABanThatWasLiftedHereIsToBeLiftedInFail2banToo(t *testing.T) {
	w := newWard(t)
	w.enforce()
	w.answers["fail2ban-client get sshd banip"] = "203.0.113.7 2001:db8::7 203.0.113.9 203.0.113.10"
	w.patient.Lifted = func(jail string, p netip.Prefix) bool {
		return jail == "sshd" && p == netip.MustParsePrefix("203.0.113.9/32")
	}
	delete(w.answers, "sqlite3 --version")
	w.fw.Missing = []string{"sqlite3"}
	got := text(t, w.examine())
	for _, want := range []string{
		"fix: fail2ban-client set sshd unbanip 203.0.113.9\n",
		"fix: (apt-get install -y sqlite3 || dnf install -y sqlite) && reconciler import --dry-run",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not in:\n%s", want, got)
		}
	}
}

func TestEveryJailIsLookedAtWhateverItIsCalled(t *testing.T) {
	w := newWard(t)
	w.answers["fail2ban-client status"] = "Status\n|- Number of jail:\t3\n`- Jail list:\tsshd, web@example.org: a b, other\n"
	w.answers["fail2ban-client get web@example.org: a b actions"] = "The jail has the following actions:\nreconciler\n"
	w.answers["fail2ban-client get web@example.org: a b action reconciler state"] = "/srv/elsewhere.jsonl\n"
	found := w.examine()
	if !strings.Contains(text(t, found), "loaded in: sshd, web@example.org: a b; without it, and not seen here: other") {
		t.Errorf("the examination does not name each jail:\n%s", text(t, found))
	}
	if !has(found, "action", Failure, "web@example.org: a b appends to /srv/elsewhere.jsonl") {
		t.Errorf("a jail with a space in its name is not examined:\n%s", text(t, found))
	}
}
