package controller

import (
	"context"
	"fmt"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/feature/ec2/imds"
	"github.com/hashicorp/go-hclog"

	"reconciler/internal/apply"
	"reconciler/internal/config"
	"reconciler/internal/ec2sim"
	"reconciler/internal/hostfake"
	"reconciler/internal/observed"
	"reconciler/internal/testenv"
)

// world is a bastion in memory: a simulated EC2, a fake firewall, a log on
// disk, and a virtual clock that moves only while everybody waits.
type world struct {
	t      *testing.T
	sim    *ec2sim.Server
	fw     *hostfake.Firewall
	acl    string
	dir    string
	config config.Config
	said   *testenv.Buffer // what was logged

	connect connector          // to S3
	portion func() func() bool // of a log; nil: all

	store *FileStore   // of the last process
	now   *Loop        // the daemon of the last process
	told  atomic.Value // string: what systemd was told last
	hear  func(string) // is told it too; may be nil
	stop  func() error
	wake  chan struct{}
}

// inWorld runs a test in a bubble with a virtual clock.
func inWorld(t *testing.T, test func(t *testing.T, w *world)) {
	t.Helper()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, dir)
		defer w.close()
		test(t, w)
	})
}

// newWorld builds a bastion in the bubble that it is called in.
func newWorld(t *testing.T, dir string) *world {
	w := &world{t: t, sim: ec2sim.New(ec2sim.Options{}), fw: hostfake.New(), dir: dir, said: &testenv.Buffer{}, connect: ConnectS3}
	w.acl = w.sim.Bastion()
	w.config = config.Config{
		State: []string{filepath.Join(dir, "bans.jsonl")}, NACL: []string{config.NACLAuto},
		Rules: observed.Window{First: 1, Last: 90}, Quota: 20, Shape: observed.Shape{Protocol: observed.ProtocolAll},
		IPv6Prefix: 128, Host: config.HostIPSet, HostMode: config.HostModeAll, Chain: "f2b-reconciler",
		Hooks: []string{"INPUT"}, Block: config.BlockReject, HookPin: true, MinIPv4Prefix: 16, MinIPv6Prefix: 32,
		Resync: time.Minute, CompactAt: 1 << 20, HostID: "bastion", RunDir: filepath.Join(dir, "run"),
	}
	return w
}

// close ends the daemon, also after a Fatal: goroutines must not outlive the
// bubble.
func (w *world) close() {
	if w.stop != nil {
		w.end()
	}
	if w.store != nil {
		_ = w.store.Close() // of a daemon that has ended it is closed by now
	}
}

// loop builds a controller over the world's parts, as a new process would.
func (w *world) loop(writing bool) *Loop {
	w.t.Helper()
	store, err := openStore(w.config, writing, time.Now(), w.connect, w.portion)
	if err != nil {
		w.t.Fatalf("opening the state: %v", err)
	}
	w.store = store // of an earlier process it is closed by now
	spec := observed.HostSpec{
		Backend: w.config.Host, Chain: w.config.Chain, Hooks: w.config.Hooks,
		Block: w.config.Block, Shape: w.config.Shape,
	}.WithDefaults()
	transport := &http.Client{Transport: w.sim.Transport()}
	l := &Loop{
		Config: w.config, Store: store, Now: time.Now, Notify: func(string) {},
		Random: func() float64 { return 0 },
		Here:   func() ([]observed.Protected, error) { return nil, nil },
		Host:   observed.HostReader{Run: w.fw, Spec: spec}, Backend: apply.NewHost(w.fw, spec),
		Log: hclog.New(&hclog.LoggerOptions{Output: w.said, Level: hclog.Debug}),
		Cloud: Cloud{
			Connect:  func(context.Context) (EC2, error) { return w.sim.LocalClient(), nil },
			Metadata: imds.New(imds.Options{HTTPClient: transport, Endpoint: "http://ec2sim.invalid"}),
			OnEC2:    true, NACL: w.config.NACL, Now: time.Now,
		},
	}
	if w.config.Host == config.HostNone {
		l.Host, l.Backend = nil, nil
	}
	return l
}

// start runs the daemon until end.
func (w *world) start() {
	w.t.Helper()
	w.startLoop(w.loop(true))
}

func (w *world) startLoop(l *Loop) {
	w.wake = make(chan struct{}, 1)
	l.Wake = w.wake
	l.Notify = func(text string) {
		w.told.Store(text)
		if w.hear != nil {
			w.hear(text)
		}
	}
	w.now = l
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- l.Run(ctx) }()
	w.stop = func() error {
		cancel()
		err := <-done
		return errorsJoin(err, l.Store.(*FileStore).Close())
	}
}

func errorsJoin(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// end stops the daemon as SIGTERM does.
func (w *world) end() {
	w.t.Helper()
	stop := w.stop
	w.stop = nil
	if err := stop(); err != nil {
		w.t.Errorf("the daemon ended with: %v", err)
	}
}

// log appends lines to the log as a shell would, and wakes the daemon.
func (w *world) log(lines ...string) {
	w.t.Helper()
	f, err := os.OpenFile(w.config.State[0], os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o640)
	if err != nil {
		w.t.Fatal(err)
	}
	if _, err := f.WriteString(strings.Join(lines, "\n") + "\n"); err != nil {
		w.t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		w.t.Fatal(err)
	}
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

func (w *world) ban(lasts time.Duration, prefixes ...string) {
	w.t.Helper()
	lines := make([]string, 0, len(prefixes))
	for _, p := range prefixes {
		lines = append(lines, fmt.Sprintf(`{"op":"ban","ip":%q,"jail":"sshd","host":"bastion","time":%d,"bantime":%d}`,
			p, time.Now().Unix(), int(lasts.Seconds())))
	}
	w.log(lines...)
}

func (w *world) record(op string) {
	w.t.Helper()
	w.log(fmt.Sprintf(`{"op":%q,"time":%d}`, op, time.Now().Unix()))
}

func (w *world) unban(p string) {
	w.t.Helper()
	w.log(fmt.Sprintf(`{"op":"unban","ip":%q,"time":%d}`, p, time.Now().Unix()))
}

// pass lets virtual time go by.
func (w *world) pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// denies gives the inbound denies of the user in an ACL: number and prefix.
func (w *world) denies(acl string) map[int]string {
	out := map[int]string{}
	for _, e := range w.sim.Entries(acl) {
		if !e.Egress && !e.Allow && !e.Default() {
			out[e.Number] = e.Prefix.String()
		}
	}
	return out
}

// atEdge says that a deny of the ACL has exactly this prefix.
func (w *world) atEdge(acl, prefix string) bool {
	p := netip.MustParsePrefix(prefix)
	for _, have := range w.denies(acl) {
		if have == p.String() {
			return true
		}
	}
	return false
}

// coveredAtEdge says that a deny of the ACL contains the address.
func (w *world) coveredAtEdge(addr string) bool {
	for _, have := range w.denies(w.acl) {
		if netip.MustParsePrefix(have).Contains(netip.MustParseAddr(addr)) {
			return true
		}
	}
	return false
}

func (w *world) onHost(addr string) bool { return w.fw.Blocked(netip.MustParseAddr(addr), 22) }

// writes counts the mutating calls so far.
func (w *world) writes() int { return len(w.sim.Writes()) }

func (w *world) wantEdge(acl string, prefixes ...string) {
	w.t.Helper()
	for _, p := range prefixes {
		if !w.atEdge(acl, p) {
			w.t.Errorf("%s is not in %s, which denies %v", p, acl, w.denies(acl))
		}
	}
}

func (w *world) wantHost(blocked bool, addrs ...string) {
	w.t.Helper()
	for _, a := range addrs {
		if w.onHost(a) != blocked {
			w.t.Errorf("the host blocks %s: %t, want %t", a, !blocked, blocked)
		}
	}
}

// addrs gives n addresses 203.0.113.1, .2, …
func addrs(n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = fmt.Sprintf("203.0.113.%d", i+1)
	}
	return out
}

func removeFile(path string) error { return os.Remove(path) }

func writeFile(path, text string) error { return os.WriteFile(path, []byte(text), 0o640) }
