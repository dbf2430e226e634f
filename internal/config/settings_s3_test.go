package config

import (
	"strings"
	"testing"
	"time"
)

func TestALogInS3AndItsSettingsAreTaken(t *testing.T) {
	got := mustLoad(t, []string{
		"--state", "s3://my-bucket/bans/", "--state", "s3://my-bucket/shared.jsonl", "--spool", "none", "--cache-dir", "/c", "--poll", "30s",
		"--s3-timeout", "5s", "--s3-max-size", "8MiB", "--s3-sse", "aws:kms", "--s3-sse-kms-key-id", "alias/bans", "--s3-path-style",
	}, nil, "")
	if len(got.State) != 2 || got.State[0] != "s3://my-bucket/bans/" || got.State[1] != "s3://my-bucket/shared.jsonl" {
		t.Errorf("the logs are %q", got.State)
	}
	want := S3{Timeout: 5 * time.Second, MaxSize: 8 << 20, SSE: "aws:kms", KMSKeyID: "alias/bans", PathStyle: true}
	if got.Spool != "" || got.CacheDir != "/c" || got.Poll != 30*time.Second || got.S3 != want {
		t.Errorf("the settings are spool %q, cache %q, poll %s, %+v", got.Spool, got.CacheDir, got.Poll, got.S3)
	}
}

func TestSettingsOfS3ThatCannotBeMeantAreRefused(t *testing.T) {
	for args, word := range map[string]string{
		"--spool=relative":            "absolute",
		"--poll=10":                   "unit",
		"--poll=0s":                   "duration",
		"--s3-timeout=1h":             "duration",
		"--s3-max-size=1":             "size",
		"--s3-sse=aes":                "none of",
		"--s3-sse-kms-key-id=alias/x": "--s3-sse aws:kms",
		"--s3-sse=aws:kms --s3-sse-kms-key-id=a\x01b": "KMS key",
	} {
		if _, err := loadWith(t, strings.Split(args, " "), nil, ""); err == nil || !strings.Contains(err.Error(), word) {
			t.Errorf("%s gives the error %v, which does not say %q", args, err, word)
		}
	}
}
