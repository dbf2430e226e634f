package observed

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/smithy-go"
)

// account makes the settings of the SDK those of a test, without credentials
// unless they are given.
func account(t *testing.T, endpoint string, more ...string) {
	t.Helper()
	set := []string{
		"AWS_ENDPOINT_URL", endpoint, "AWS_REGION", "eu-north-1", "AWS_CONFIG_FILE", "/nowhere", "AWS_SHARED_CREDENTIALS_FILE", "/nowhere",
		"AWS_ACCESS_KEY_ID", "", "AWS_SECRET_ACCESS_KEY", "", "AWS_SESSION_TOKEN", "", "AWS_PROFILE", "", "AWS_EC2_METADATA_DISABLED", "true", "AWS_MAX_ATTEMPTS", "1",
	}
	for i := 0; i+1 < len(set)+len(more); i += 2 {
		pair := append(set, more...)[i : i+2]
		t.Setenv(pair[0], pair[1])
	}
}

func TestWithoutCredentialsOneIsToldToAttachARole(t *testing.T) {
	account(t, "http://127.0.0.1:1")
	api, err := Connect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	_, err = ReadACL(t.Context(), api, "acl-0123", time.Now())
	err = Told(err)
	if !errors.Is(err, ErrNoCredentials) || !strings.Contains(err.Error(), "attach a role (an instance profile) to this instance") || strings.Contains(err.Error(), "operation error") {
		t.Errorf("without credentials it says: %v", err)
	}
}

func TestAnErrorOfAWSSaysItsCodeAndTheRegionThatWasAskedAndNoRequestID(t *testing.T) {
	for _, c := range []struct{ name, code, message, want string }{
		{"an ACL that is not there", "InvalidNetworkAclID.NotFound", "The networkAcl ID 'acl-0123' does not exist", "describing network ACL acl-0123: InvalidNetworkAclID.NotFound in the region eu-north-1: The networkAcl ID 'acl-0123' does not exist"},
		{"a denial", "UnauthorizedOperation", "You are not authorized to perform this operation. User: arn:aws:iam::1:user/x", "describing network ACL acl-0123: UnauthorizedOperation in the region eu-north-1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(http.StatusBadRequest)
				_, _ = w.Write([]byte("<Response><Errors><Error><Code>" + c.code + "</Code><Message>" + c.message + "</Message></Error></Errors><RequestID>7a62c49f</RequestID></Response>"))
			}))
			defer server.Close()
			account(t, server.URL, "AWS_ACCESS_KEY_ID", "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY", "secret")
			api, err := Connect(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			_, err = ReadACL(t.Context(), api, "acl-0123", time.Now())
			err = Told(err)
			if err.Error() != c.want {
				t.Errorf("it says:\n%v\nwant:\n%s", err, c.want)
			}
			if api, ok := errors.AsType[smithy.APIError](err); !ok || api.ErrorCode() != c.code {
				t.Error("the code of the error is lost")
			}
			if raw := Raw(err); !strings.Contains(raw, "RequestID: 7a62c49f") {
				t.Errorf("for the debug log there is %q, without the request ID", raw)
			}
		})
	}
}

func TestSilenceIsToldInAFewWords(t *testing.T) {
	hold := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-hold }))
	defer server.Close()
	defer close(hold)
	account(t, server.URL, "AWS_ACCESS_KEY_ID", "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY", "secret")
	api, err := Connect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	_, err = ReadACL(ctx, api, "acl-0123", time.Now())
	if err = Told(err); !errors.Is(err, context.DeadlineExceeded) || !strings.HasPrefix(err.Error(), "describing network ACL acl-0123: DescribeNetworkAcls in the region eu-north-1: no answer in time") {
		t.Errorf("it says: %v", err)
	}
}
