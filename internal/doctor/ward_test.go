package doctor

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/feature/ec2/imds"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/hashicorp/go-hclog"

	"reconciler/internal/apply"
	"reconciler/internal/config"
	"reconciler/internal/controller"
	"reconciler/internal/ec2sim"
	"reconciler/internal/hostfake"
	"reconciler/internal/observed"
	"reconciler/internal/tool"
)

// ward is a bastion in memory for a patient to be examined on. By default all
// is well with it.
type ward struct {
	t       *testing.T
	sim     *ec2sim.Server
	fw      *hostfake.Firewall
	acl     string
	root    string
	config  config.Config
	answers map[string]string // what other programs say, by command line
	refused map[string]string // what they complain about, by command line
	patient Patient
}

func newWard(t *testing.T) *ward {
	t.Helper()
	root := t.TempDir()
	w := &ward{t: t, sim: ec2sim.New(ec2sim.Options{}), fw: hostfake.New(), root: root, refused: map[string]string{}, answers: map[string]string{
		"systemctl is-enabled reconciler.service": "enabled\n",
		"fail2ban-client status":                  "Status\n|- Number of jail:\t1\n`- Jail list:\tsshd, other\n",
		"fail2ban-client get sshd actions":        "The jail sshd has the following actions:\nreconciler\n",
		"fail2ban-client get other actions":       "The jail other has the following actions:\niptables-multiport\n",
		"fail2ban-client get sshd banip":          "203.0.113.7 2001:db8::7\n",
		"sqlite3 --version":                       "3.40.1\n",
	}}
	w.acl = w.sim.Bastion()
	w.config = config.Config{
		State: []string{filepath.Join(root, "state", "bans.jsonl")}, NACL: []string{config.NACLAuto},
		Rules: observed.Window{First: 1, Last: 90}, Quota: 20, Shape: observed.Shape{Protocol: observed.ProtocolAll},
		IPv6Prefix: 128, Host: config.HostIPSet, HostMode: config.HostModeAll, Chain: "f2b-reconciler",
		Hooks: []string{"INPUT"}, Block: config.BlockReject, HookPin: true, MinIPv4Prefix: 16, MinIPv6Prefix: 32,
		Ignore: []netip.Prefix{netip.MustParsePrefix("192.0.2.7/32")},
		Resync: time.Minute, CompactAt: 1 << 20, HostID: "bastion", RunDir: filepath.Join(root, "run"),
	}
	w.write("/etc/fail2ban/action.d/reconciler.conf", "[Init]\nstate = "+w.config.State[0]+"\n")
	w.write("/etc/logrotate.d/apt", "/var/log/apt/*.log {\n weekly\n}\n")
	w.write("/state/bans.jsonl", fmt.Sprintf(`{"op":"ban","ip":"203.0.113.7","jail":"sshd","time":%[1]d}`+"\n"+
		`{"op":"ban","ip":"2001:db8::7","jail":"sshd","time":%[1]d}`+"\n", time.Now().Unix()))
	w.answers["fail2ban-client get sshd action reconciler state"] = w.config.State[0] + "\n"
	w.patient = w.newPatient()
	return w
}

func (w *ward) write(path, text string) {
	w.t.Helper()
	path = filepath.Join(w.root, path)
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o750), os.WriteFile(path, []byte(text), 0o640)); err != nil {
		w.t.Fatal(err)
	}
}

// Run answers for systemctl and fail2ban, and lets the fake firewall answer the rest.
func (w *ward) Run(ctx context.Context, stdin []byte, program string, args ...string) ([]byte, error) {
	line := strings.Join(append([]string{program}, args...), " ")
	if answer, ok := w.answers[line]; ok {
		return []byte(answer), nil
	}
	if slices.Contains([]string{"systemctl", "fail2ban-client"}, program) {
		return nil, &tool.Error{Program: program, Args: args, Stderr: cmp.Or(w.refused[line], "no answer"), Err: errors.New("exit status 255")}
	}
	return w.fw.Run(ctx, stdin, program, args...)
}

func (w *ward) newPatient() Patient {
	spec := observed.HostSpec{Backend: observed.BackendIPSet}.WithDefaults()
	transport := &http.Client{Transport: w.sim.Transport()}
	p := Patient{
		Config: w.config, OnEC2: true, Run: w, Spec: spec, Host: observed.HostReader{Run: w, Spec: spec}, Root: w.root, Now: time.Now,
		Metadata: imds.New(imds.Options{HTTPClient: transport, Endpoint: "http://ec2sim.invalid"}),
		Connect:  func(context.Context) (controller.EC2, error) { return w.sim.LocalClient(), nil },
		Holder:   func(string) string { return "process 1 (reconciler)" },
		Here:     func() ([]observed.Protected, error) { return nil, nil },
		Clock:    func() (bool, error) { return true, nil },
		Lifted:   func(string, netip.Prefix) bool { return false },
	}
	p.Status = func(ctx context.Context) (controller.Status, error) {
		l, done, err := w.loop(p, false)
		if err != nil {
			return controller.Status{}, err
		}
		s, err := l.Status(ctx)
		return s, errors.Join(err, done())
	}
	return p
}

func (w *ward) loop(p Patient, writing bool) (*controller.Loop, func() error, error) {
	store, err := controller.OpenStore(p.Config, writing, time.Now())
	if err != nil {
		return nil, nil, err
	}
	return &controller.Loop{
		Config: p.Config, Store: store, Now: time.Now, Notify: func(string) {}, Log: hclog.NewNullLogger(),
		Here: func() ([]observed.Protected, error) { return nil, nil },
		Host: p.Host, Backend: apply.NewHost(w, p.Spec),
		Cloud: controller.Cloud{Connect: p.Connect, Metadata: p.Metadata, OnEC2: true, NACL: p.Config.NACL, Now: time.Now},
	}, store.Close, nil
}

// enforce brings everything into order, as a running daemon has.
func (w *ward) enforce() {
	w.t.Helper()
	l, done, err := w.loop(w.patient, true)
	if err != nil {
		w.t.Fatal(err)
	}
	if _, err := l.Once(w.t.Context(), false); err != nil {
		w.t.Fatal(err)
	}
	if err := done(); err != nil {
		w.t.Fatal(err)
	}
	w.sim.ResetCalls()
	w.fw.ForgetCalls()
}

func (w *ward) examine() []Finding { return Examine(w.t.Context(), w.patient) }

// has says whether a check found something on a level with these words.
func has(findings []Finding, check string, level Level, words string) bool {
	return slices.ContainsFunc(findings, func(f Finding) bool {
		return f.Check == check && f.Level == level && strings.Contains(f.Says, words)
	})
}

func text(t *testing.T, findings []Finding) string {
	t.Helper()
	var b bytes.Buffer
	if err := WriteText(&b, findings); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func (w *ward) chmod(mode os.FileMode) {
	if err := os.Chmod(w.config.State[0], mode); err != nil {
		w.t.Fatal(err)
	}
}

func (w *ward) remove(path string) {
	if err := os.Remove(filepath.Join(w.root, path)); err != nil {
		w.t.Fatal(err)
	}
}

func (w *ward) tag(key, value string) {
	_, err := w.sim.LocalClient().CreateTags(w.t.Context(), &ec2.CreateTagsInput{
		Resources: []string{w.acl},
		Tags:      []types.Tag{{Key: aws.String(key), Value: aws.String(value)}},
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *ward) entry(number int32, prefix string, allow bool) {
	action := types.RuleActionDeny
	if allow {
		action = types.RuleActionAllow
	}
	_, err := w.sim.LocalClient().CreateNetworkAclEntry(w.t.Context(), &ec2.CreateNetworkAclEntryInput{
		NetworkAclId: &w.acl, RuleNumber: &number,
		Egress: aws.Bool(false), Protocol: aws.String("-1"), RuleAction: action, CidrBlock: aws.String(netip.MustParsePrefix(prefix).String()),
	})
	if err != nil {
		w.t.Fatal(err)
	}
}
