// Package s3 drives the built program against a real S3 server, versitygw, as
// a process of its own, in fair weather and through a proxy that makes it foul.
package s3

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"reconciler/internal/bucket"
	"reconciler/internal/desired"
	"reconciler/internal/testenv"
)

// patience is how long a test waits for what must come. It bounds a failure and
// measures nothing.
const patience = 3 * time.Minute

const (
	bucketName = "bans"
	// Those of the simulated EC2, for the daemons speak to both.
	accessKey = "SIMULATED"
	secretKey = "simulated"
	region    = "us-east-1"
)

// program is the reconciler that the tests run, built once.
var program string

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "reconciler-s3")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir) //nolint:errcheck // a temporary directory
	program = filepath.Join(dir, "reconciler")
	build := exec.Command("go", "build", "-o", program, "../../cmd/reconciler")
	build.Stdout, build.Stderr = os.Stderr, os.Stderr
	if err := build.Run(); err != nil {
		fmt.Fprintln(os.Stderr, "building the program:", err)
		return 1
	}
	return m.Run()
}

// gateway is a running versitygw over a directory.
type gateway struct {
	url string
	dir string
}

// findGateway leaves the test out where the server is not installed; with
// CI=true that is a failure.
func findGateway(t testing.TB) string {
	t.Helper()
	path, err := filepath.Abs("../../.tools/bin/versitygw")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); err == nil {
		return path
	}
	if path, err = exec.LookPath("versitygw"); err == nil {
		return path
	}
	testenv.LeaveOut(t, "versitygw is not installed")
	return ""
}

// startGateway runs the server until the end of the test.
func startGateway(t testing.TB) *gateway {
	t.Helper()
	binary := findGateway(t)
	dir := t.TempDir()
	for _, sub := range []string{"data/" + bucketName, "meta"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o750); err != nil {
			t.Fatal(err)
		}
	}
	address := freeAddress(t)
	var said bytes.Buffer
	cmd := exec.Command(binary, "--port", address, "--quiet", "posix", "--sidecar", filepath.Join(dir, "meta"), filepath.Join(dir, "data"))
	cmd.Env = []string{"ROOT_ACCESS_KEY=" + accessKey, "ROOT_SECRET_KEY=" + secretKey, "PATH=" + os.Getenv("PATH"), "HOME=" + dir}
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // killed, as was meant
		if t.Failed() {
			t.Logf("versitygw said: %s", said.String())
		}
	})
	g := &gateway{url: "http://" + address, dir: dir}
	eventually(t, "versitygw answers", func() bool {
		_, err := g.client(t).List(t.Context(), "", 10)
		return err == nil
	})
	return g
}

func freeAddress(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close() //nolint:errcheck // it only found a port
	return l.Addr().String()
}

// client is a client of our own, which sees what is there.
func (g *gateway) client(t testing.TB) *bucket.Client {
	t.Helper()
	cfg := aws.Config{
		Region: region, BaseEndpoint: &g.url, HTTPClient: &http.Client{Timeout: 30 * time.Second},
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: accessKey, SecretAccessKey: secretKey}, nil
		}),
	}
	return bucket.New(cfg, bucket.Options{Bucket: bucketName, PathStyle: true})
}

// records gives every record under a prefix, by id. A repeat is an error.
func (g *gateway) records(t testing.TB, prefix string) map[desired.ID]desired.Record {
	t.Helper()
	c := g.client(t)
	listed, err := c.List(t.Context(), prefix, 1000)
	if err != nil {
		t.Fatal(err)
	}
	all := map[desired.ID]desired.Record{}
	for _, o := range listed {
		object, err := c.Get(t.Context(), o.Key, "", 1<<30)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(object.Body)) {
			rec, err := desired.ParseRecord([]byte(strings.TrimSuffix(line, "\n")))
			if err != nil {
				t.Errorf("%s holds the line %q: %v", o.Key, line, err)
				continue
			}
			if rec.Op == desired.OpSeen {
				continue
			}
			if _, twice := all[rec.ID]; twice {
				t.Errorf("%s has the record %v twice", o.Key, rec.ID)
			}
			all[rec.ID] = rec
		}
	}
	return all
}

// compacted says that an object under the prefix was made by a compaction.
func (g *gateway) compacted(t testing.TB, prefix string) bool {
	t.Helper()
	c := g.client(t)
	listed, err := c.List(t.Context(), prefix, 1000)
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range listed {
		object, err := c.Get(t.Context(), o.Key, "", 1<<30)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(object.Body), `"id":"compaction-`) {
			return true
		}
	}
	return false
}

// eventually waits until the condition holds.
func eventually(t testing.TB, sentence string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !holds(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("this did not come to be: %s", sentence)
		}
	}
}

// host is a bastion: its directory and settings.
type host struct {
	t    testing.TB
	name string
	dir  string
	env  []string
}

func newHost(t testing.TB, endpoint, name, state string, more ...string) *host {
	t.Helper()
	h := &host{t: t, name: name, dir: t.TempDir()}
	h.env = append([]string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + h.dir, "TZ=UTC",
		"AWS_ENDPOINT_URL_S3=" + endpoint, "AWS_REGION=" + region,
		"AWS_ACCESS_KEY_ID=" + accessKey, "AWS_SECRET_ACCESS_KEY=" + secretKey,
		"AWS_EC2_METADATA_DISABLED=true", "AWS_CONFIG_FILE=/dev/null", "AWS_SHARED_CREDENTIALS_FILE=/dev/null",
		"RECONCILER_STATE=" + state, "RECONCILER_HOST_ID=" + name, "RECONCILER_HOST=none",
		"RECONCILER_SPOOL=" + h.dir, "RECONCILER_CACHE_DIR=" + h.dir, "RECONCILER_RUN_DIR=" + filepath.Join(h.dir, "run"),
		"RECONCILER_S3_PATH_STYLE=true", "RECONCILER_S3_TIMEOUT=60s",
		fmt.Sprintf("RECONCILER_CHAIN=s3-%d-%s", os.Getpid(), name),
	}, more...)
	return h
}

func (h *host) command(args ...string) *exec.Cmd {
	cmd := exec.Command(program, args...)
	cmd.Env, cmd.Dir = h.env, h.dir
	return cmd
}

// run runs a command to its end.
func (h *host) run(args ...string) (stdout, stderr string, status int) {
	h.t.Helper()
	var out, errOut bytes.Buffer
	cmd := h.command(args...)
	cmd.Stdout, cmd.Stderr = &out, &errOut
	err := cmd.Run()
	if _, failed := errors.AsType[*exec.ExitError](err); err != nil && !failed {
		h.t.Error(err)
	}
	return out.String(), errOut.String(), cmd.ProcessState.ExitCode()
}

// must runs a command that has to succeed.
func (h *host) must(args ...string) {
	h.t.Helper()
	if _, stderr, status := h.run(args...); status != 0 {
		h.t.Errorf("`reconciler %.60s` on %s exits %d and says: %s", strings.Join(args, " "), h.name, status, stderr)
	}
}
