package doctor

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"reconciler/internal/controller"
	"reconciler/internal/ec2sim"
	"reconciler/internal/observed"
)

func TestAHealthyBastionHasNothingToMend(t *testing.T) {
	w := newWard(t)
	w.enforce()
	found := w.examine()
	if Worst(found) != OK {
		t.Errorf("all is well, and the doctor says:\n%s", text(t, found))
	}
	for _, check := range []string{
		"daemon", "tools", "firewall", "jump", "log", "logrotate", "fail2ban", "fail2ban bans", "clock",
		"metadata", "network ACL", "describe", "create", "replace", "delete", "owner", "rules before", "slots", "bans",
	} {
		if !has(found, check, OK, "") {
			t.Errorf("the check %q was not made:\n%s", check, text(t, found))
		}
	}
}

func TestTheDoctorWritesNothingAnywhere(t *testing.T) {
	w := newWard(t)
	w.enforce()
	before := fmt.Sprint(w.sim.Entries(w.acl))
	w.examine()
	if after := fmt.Sprint(w.sim.Entries(w.acl)); after != before {
		t.Errorf("the ACL was\n%s\nand is\n%s", before, after)
	}
	dry := 0
	for _, c := range w.sim.Calls() {
		if c.Write && !c.DryRun {
			t.Errorf("the doctor called %s for real", c.Action)
		}
		if c.DryRun {
			dry++
		}
	}
	if dry != 3 {
		t.Errorf("%d permissions were tried by dry run, want 3", dry)
	}
	for _, c := range w.fw.Writes() {
		if !slices.Equal(c.Args, []string{"--version"}) || c.Stdin != "" {
			t.Errorf("the doctor changed the firewall: %v", c)
		}
	}
}

func TestEachDefectIsFoundWithItsMend(t *testing.T) {
	for _, c := range []struct {
		name   string
		harm   func(w *ward)
		check  string
		level  Level
		words  string
		mended string // part of the mend
	}{
		{"no daemon", func(w *ward) { w.patient.Holder = func(string) string { return "" } }, "daemon", Failure, "not enforced", "systemctl enable --now"},
		{"disabled", func(w *ward) { w.answers["systemctl is-enabled reconciler.service"] = "disabled\n" }, "service", Warning, "disabled", "systemctl enable"},
		{"not root", func(w *ward) { w.patient.UID = 1000 }, "user", Warning, "not run as root", "sudo"},
		{"no ipset", func(w *ward) { w.fw.Missing = []string{"ipset"} }, "tools", Failure, "ipset is missing", "install -y ipset"},
		{"flushed chain", func(w *ward) { w.fw.Flush() }, "firewall", Failure, "", "reconciler"},
		{"log of all", func(w *ward) { w.chmod(0o666) }, "log", Failure, "writable by everyone", "chmod o-w"},
		{"log of the group", func(w *ward) { w.chmod(0o660) }, "log", Warning, "group may write", "chmod g-w"},
		{"no log", func(w *ward) { w.remove("/state/bans.jsonl") }, "log", Warning, "not there yet", "systemctl"},
		{"logrotate", func(w *ward) {
			w.write("/etc/logrotate.d/all", "\"/var/log/*.log\" "+w.root+"/state/*.jsonl {\n rotate 4\n}\n")
		}, "logrotate", Warning, "rotates", "sed -i"},
		{"no action", func(w *ward) { w.remove("/etc/fail2ban/action.d/reconciler.conf") }, "action", Failure, "not there", "cp "},
		{"fail2ban silent", func(w *ward) { delete(w.answers, "fail2ban-client status") }, "fail2ban", Failure, "does not answer", "systemctl"},
		{"no jail", func(w *ward) { w.answers["fail2ban-client get sshd actions"] = "iptables\n" }, "fail2ban", Failure, "no jail", "jail.d"},
		{"unknown ban", func(w *ward) { w.answers["fail2ban-client get sshd banip"] = "203.0.113.7 203.0.113.9" }, "fail2ban bans", Warning, "1 of the 2 bans of fail2ban's jail sshd are not in force here, such as 203.0.113.9", "reconciler import"},
		{"no resolv.conf", func(w *ward) {
			w.patient.Here = func() ([]observed.Protected, error) { return nil, errors.New("resolv.conf is gone") }
		}, "protected", Warning, "resolv.conf is gone", "resolv.conf"},
		{"wrong clock", func(w *ward) { w.patient.Clock = func() (bool, error) { return false, nil } }, "clock", Warning, "not synchronised", "timedatectl"},
		{"may not create", func(w *ward) { w.sim.Deny("CreateNetworkAclEntry") }, "create", Failure, "ec2:CreateNetworkAclEntry", "reconciler-policy.json"},
		{"may not delete", func(w *ward) { w.sim.Deny("DeleteNetworkAclEntry") }, "delete", Failure, "ec2:DeleteNetworkAclEntry", "reconciler-policy.json"},
		{"may not describe", func(w *ward) { w.sim.Deny("DescribeNetworkAcls") }, "network ACL", Failure, "ec2:DescribeNetworkAcls", "reconciler-policy.json"},
		{"firewall manager", func(w *ward) { w.tag("FMManaged", "true") }, "owner", Warning, "AWS Firewall Manager (tag FMManaged), which may take entries back: rules that are not its policy's usually lie at 5000-7000", "reconciler plan --rules 5000-7000"},
		{"terraform", func(w *ward) { w.tag("ManagedBy", "Terraform") }, "owner", Warning, "terraform keeps it", "ignore_changes"},
		{"allow before", func(w *ward) { w.entry(50, "0.0.0.0/0", true) }, "rules before", Warning, "rule 50", "reconciler plan --rules 1-49"},
		{"unclaimed", func(w *ward) { w.entry(60, "192.0.2.9/32", false) }, "unclaimed", Warning, "1 ipv4 entries", "reconciler adopt"},
		{"bad line", func(w *ward) { w.write("/state/bans.jsonl", "{\"op\":\"ban\",\"ip\":\"x\"}\n") }, "source", Warning, "1 lines", "status"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWard(t)
			w.enforce()
			c.harm(w)
			found := w.examine()
			if !has(found, c.check, c.level, c.words) {
				t.Fatalf("want %s of %q with %q, got:\n%s", c.level, c.check, c.words, text(t, found))
			}
			for _, f := range found {
				if f.Check == c.check && f.Level == c.level && !strings.Contains(f.Mend, c.mended) {
					t.Errorf("the mend is %q, want %q in it", f.Mend, c.mended)
				}
			}
		})
	}
}

func TestOffEC2TheHostAloneIsAWarningAndNoFailure(t *testing.T) {
	w := newWard(t)
	w.sim.SetMetadata(ec2sim.MetadataOff)
	w.patient.OnEC2 = false
	found := w.examine()
	if !has(found, "metadata", Warning, "host alone") {
		t.Errorf("off EC2 the doctor says:\n%s", text(t, found))
	}
}

func TestAStateThatCannotBeOpenedDoesNotEndTheExamination(t *testing.T) {
	w := newWard(t)
	w.enforce()
	w.patient.Status = func(context.Context) (controller.Status, error) { return controller.Status{}, errors.New("no") }
	found := w.examine()
	if !has(found, "bans", Failure, "cannot be read: no") || !has(found, "create", OK, "") {
		t.Errorf("the doctor says:\n%s", text(t, found))
	}
}

func TestAnEndpointThatExecutesDryRunsIsCalledOut(t *testing.T) {
	e := &examination{}
	e.permitted("create", "ec2:CreateNetworkAclEntry", "acl-1", nil)
	if !has(e.findings, "create", Failure, "not AWS") {
		t.Errorf("findings are %v", e.findings)
	}
}

func TestAClockFarFromAWSFailsAndANearOneIsNotMentioned(t *testing.T) {
	for skew, want := range map[time.Duration]Level{time.Second: OK, -time.Minute: Warning, 10 * time.Minute: Failure} {
		e := &examination{}
		e.skew(skew)
		if got := Worst(e.findings); got != want {
			t.Errorf("a clock that is %s off is %s, want %s", skew, got, want)
		}
	}
}

func TestForeignTextCannotSteerATerminal(t *testing.T) {
	got := text(t, []Finding{{Check: "log", Level: Failure, Says: "a\x1b[2Jb\nc\u202e", Mend: "x\r\n\x07"}})
	if strings.ContainsAny(got, "\x1b\r\x07\u202e") || strings.Count(got, "\n") != 2 {
		t.Errorf("the text is %q", got)
	}
}

func TestJSONHasEachCheckAndTheWorst(t *testing.T) {
	var b bytes.Buffer
	found := []Finding{{Check: "a", Level: OK, Says: "fine"}, {Check: "b", Level: Warning, Says: "so so", Mend: "do"}}
	if err := WriteJSON(&b, found, "9.9", time.Unix(0, 0)); err != nil {
		t.Fatal(err)
	}
	var got struct {
		Status string
		Checks []Finding
	}
	if err := json.Unmarshal(b.Bytes(), &got); err != nil || got.Status != "warning" || !slices.Equal(got.Checks, found) {
		t.Errorf("the JSON is %s (%v)", b.String(), err)
	}
}

func TestLogrotateRulesAreThePathsBeforeTheBraces(t *testing.T) {
	got := rotated([]byte("# /no/comment\nweekly\n/var/log/a.log \"/var/log/b c\" {\n  olddir /var/old\n  postrotate\n  endscript\n}\n/x{\n}\n"))
	if want := "[[/var/log/a.log /var/log/b] [/x]]"; fmt.Sprint(got) != want {
		t.Errorf("rules are %q, want %s", got, want)
	}
}
