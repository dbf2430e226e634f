package bucket

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"

	"reconciler/internal/desired"
)

// serve gives a client of a server that answers as it is told.
func serve(t *testing.T, answer http.HandlerFunc) *Client {
	t.Helper()
	server := httptest.NewServer(answer)
	t.Cleanup(func() { server.CloseClientConnections(); server.Close() })
	return New(aws.Config{
		Region: "us-east-1", BaseEndpoint: aws.String(server.URL),
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "a", SecretAccessKey: "s"}, nil
		}),
	}, Options{Bucket: "bucket", PathStyle: true})
}

func xmlError(status int, code string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Amz-Request-Id", "UNIQUE-REQUEST")
		w.WriteHeader(status)
		if status != http.StatusNotModified {
			_, _ = fmt.Fprintf(w, "<Error><Code>%s</Code><Message>m</Message><RequestId>UNIQUE-REQUEST</RequestId></Error>", code)
		}
	}
}

func TestEveryAnswerHasItsMeaning(t *testing.T) {
	const gets, puts = "get", "put"
	for _, tt := range []struct {
		call   string
		status int
		code   string
		want   error
		words  string
	}{
		{gets, 304, "", desired.ErrSame, ""},
		{gets, 404, "NoSuchKey", desired.ErrNoObject, ""},
		{gets, 404, "NoSuchBucket", desired.ErrRefused, "--state"},
		{gets, 403, "AccessDenied", desired.ErrHidden, "s3:GetObject"},
		{gets, 403, "SignatureDoesNotMatch", desired.ErrRefused, "credentials"},
		{gets, 403, "RequestTimeTooSkewed", desired.ErrRefused, "clock"},
		{gets, 301, "PermanentRedirect", desired.ErrRefused, "AWS_REGION"},
		{gets, 503, "SlowDown", desired.ErrSlowDown, ""},
		{gets, 500, "InternalError", nil, "InternalError"},
		{puts, 412, "PreconditionFailed", desired.ErrLostRace, ""},
		{puts, 409, "ConditionalRequestConflict", desired.ErrLostRace, ""},
		{puts, 404, "NoSuchKey", desired.ErrLostRace, ""},
		{puts, 404, "NoSuchBucket", desired.ErrRefused, "--state"},
		{puts, 503, "SlowDown", desired.ErrSlowDown, ""},
		{puts, 403, "AccessDenied", desired.ErrRefused, "s3:PutObject"},
		{puts, 400, "InvalidArgument", desired.ErrRefused, "settings"},
		{puts, 400, "RequestTimeout", nil, "RequestTimeout"},
	} {
		t.Run(fmt.Sprintf("%s %d %s", tt.call, tt.status, tt.code), func(t *testing.T) {
			c := serve(t, xmlError(tt.status, tt.code))
			var err error
			if tt.call == gets {
				_, err = c.Get(t.Context(), "k", `"1"`, 100)
			} else {
				_, err = c.Put(t.Context(), "k", `"1"`, []byte("x"))
			}
			if err == nil || tt.want != nil && !errors.Is(err, tt.want) || !strings.Contains(err.Error(), tt.words) {
				t.Errorf("the error is %v, want %v with the word %q", err, tt.want, tt.words)
			}
			sentinels := []error{desired.ErrSame, desired.ErrNoObject, desired.ErrLostRace, desired.ErrSlowDown, desired.ErrRefused}
			for _, other := range sentinels {
				if tt.want == nil && errors.Is(err, other) {
					t.Errorf("the error %v claims to be clear: %v", err, other)
				}
			}
			if strings.Contains(err.Error(), "UNIQUE") {
				t.Errorf("the words of %v change with every request", err)
			}
		})
	}
}

func TestConditionsAndSettingsAreSent(t *testing.T) {
	var seen []http.Header
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		seen = append(seen, r.Header.Clone())
		w.Header().Set("ETag", `"2"`)
	})
	c.SSE, c.KMSKeyID = "aws:kms", "alias/k"
	if tag, err := c.Put(t.Context(), "k", "", []byte("x")); err != nil || tag != `"2"` {
		t.Fatal(tag, err)
	}
	if _, err := c.Put(t.Context(), "k", `"1"`, []byte("x")); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Get(t.Context(), "k", `"1"`, 100); err != nil {
		t.Fatal(err)
	}
	for i, want := range []map[string]string{
		{"If-None-Match": "*", "If-Match": "", "X-Amz-Server-Side-Encryption": "aws:kms", "X-Amz-Server-Side-Encryption-Aws-Kms-Key-Id": "alias/k"},
		{"If-None-Match": "", "If-Match": `"1"`},
		{"If-None-Match": `"1"`, "If-Match": ""},
	} {
		for name, value := range want {
			if got := seen[i].Get(name); got != value {
				t.Errorf("call %d sends %s: %q, want %q", i, name, got, value)
			}
		}
	}
}

func TestAWriteIsTriedOnce(t *testing.T) {
	calls := 0
	c := serve(t, func(w http.ResponseWriter, r *http.Request) { calls++; xmlError(500, "InternalError")(w, r) })
	if _, err := c.Put(t.Context(), "k", "", []byte("x")); err == nil || calls != 1 {
		t.Errorf("a failing write gives %v after %d calls, want one", err, calls)
	}
}

func TestABodyIsTakenWholeOrNotAtAll(t *testing.T) {
	for name, tt := range map[string]struct {
		answer http.HandlerFunc
		want   error
	}{
		"larger than the limit": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("ETag", `"1"`)
			_, _ = w.Write(make([]byte, 101))
		}, desired.ErrTooLarge},
		"larger, of unknown length": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("ETag", `"1"`)
			for range 20 {
				_, _ = w.Write(make([]byte, 1000))
				w.(http.Flusher).Flush()
			}
		}, desired.ErrTooLarge},
		"cut short": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("ETag", `"1"`)
			w.Header().Set("Content-Length", "50")
			_, _ = w.Write(make([]byte, 20))
			panic(http.ErrAbortHandler)
		}, io.ErrUnexpectedEOF},
		"without an ETag": {func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("x")) }, desired.ErrRefused},
	} {
		t.Run(name, func(t *testing.T) {
			if object, err := serve(t, tt.answer).Get(t.Context(), "k", "", 100); !errors.Is(err, tt.want) {
				t.Errorf("%d bytes come with the error %v, want %v", len(object.Body), err, tt.want)
			}
		})
	}
}

func TestSilenceIsUnclear(t *testing.T) {
	c := serve(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Put(ctx, "k", "", []byte("x")); err == nil || errors.Is(err, desired.ErrRefused) {
		t.Errorf("an answer that never comes gives %v", err)
	}
}

func TestAPrefixIsListedPageByPageUpToTheLimit(t *testing.T) {
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("delimiter") != "/" || r.URL.Query().Get("prefix") != "p/" {
			t.Errorf("listed is %s", r.URL.RawQuery)
		}
		more, next := "<IsTruncated>true</IsTruncated><NextContinuationToken>t</NextContinuationToken>", "a"
		if r.URL.Query().Get("continuation-token") == "t" {
			more, next = "<IsTruncated>false</IsTruncated>", "b"
		}
		_, _ = fmt.Fprintf(w, `<ListBucketResult>%s<Contents><Key>p/%s.jsonl</Key><ETag>"1"</ETag><Size>3</Size></Contents></ListBucketResult>`, more, next)
	})
	all, err := c.List(t.Context(), "p/", 2)
	if err != nil || len(all) != 2 || all[1] != (desired.Listed{Key: "p/b.jsonl", Tag: `"1"`, Size: 3}) {
		t.Errorf("listed are %+v (%v)", all, err)
	}
	if _, err := c.List(t.Context(), "p/", 1); !errors.Is(err, desired.ErrRefused) {
		t.Errorf("more than the limit gives %v", err)
	}
}
