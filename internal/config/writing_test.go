package config

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/spf13/pflag"
)

func writingWith(t *testing.T, args, environ []string, defaultText string) (Writing, error) {
	t.Helper()
	fs := pflag.NewFlagSet("test", pflag.ContinueOnError)
	Register(fs)
	if err := fs.Parse(args); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "none.yaml")
	if defaultText != "" {
		path = writeFile(t, defaultText)
	}
	return writingState(fs, environ, path)
}

func TestANamedLogIsWrittenToWhateverTheConfigurationSays(t *testing.T) {
	broken := "state: /wrong.jsonl\nnonsense: [\n"
	got, err := writingWith(t, []string{"--state", "/a.jsonl", "--quota", "x"},
		[]string{"RECONCILER_QUOTA=y", "RECONCILER_NONSENSE=1", "RECONCILER_HOST_ID=web-1"}, broken)
	want := Writing{
		State: "/a.jsonl", HostID: "web-1", RunDir: "/run/reconciler",
		Spool: "/var/lib/reconciler", CacheDir: "/var/lib/reconciler",
		S3: S3{Timeout: 10 * time.Second, MaxSize: 64 << 20},
	}
	if err != nil || got != want {
		t.Errorf("with --state the settings to write with are %+v (error %v), not %+v", got, err, want)
	}
}

func TestWithoutANamedLogTheConfigurationDecides(t *testing.T) {
	got, err := writingWith(t, nil, nil, "state: [/first.jsonl, /second.jsonl]\nhost-id: h\n")
	if err != nil || got.State != "/first.jsonl" || got.HostID != "h" {
		t.Errorf("the configured log is not used: %+v, error %v", got, err)
	}
	if _, err := writingWith(t, nil, nil, "nonsense: 1\n"); err == nil {
		t.Error("a broken configuration was passed over although it names the log")
	}
}

func TestABadLogIsRefusedWhenWriting(t *testing.T) {
	for _, state := range []string{"s3://b/k", "s3://bucket", "s3://Bucket/k", "s3://bucket/a//b", "s3://bucket/../k", "s3://bucket/a b"} {
		if _, err := writingWith(t, []string{"--state", state}, nil, ""); err == nil {
			t.Errorf("%s was taken for writing", state)
		}
	}
}
