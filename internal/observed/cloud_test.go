package observed

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/feature/ec2/imds"
)

// A service that gives no token is not asked by version 1, which any forged
// request could speak: nothing is read at all.
func TestAMetadataServiceWithoutTokensIsAskedForNothing(t *testing.T) {
	for _, status := range []int{http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusMethodNotAllowed} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			var puts, bare atomic.Int32
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Method == http.MethodPut {
					puts.Add(1)
					w.WriteHeader(status)
					return
				}
				if r.Header.Get("X-Aws-Ec2-Metadata-Token") == "" {
					bare.Add(1)
				}
				_, _ = fmt.Fprint(w, "forged")
			}))
			defer server.Close()
			t.Setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", server.URL)
			t.Setenv("AWS_EC2_METADATA_DISABLED", "")
			_, err := MetadataClient().GetMetadata(t.Context(), &imds.GetMetadataInput{Path: "instance-id"})
			if err == nil || puts.Load() == 0 || bare.Load() > 0 {
				t.Errorf("%d tokens were asked for, %d reads made without one, error %v; want no read and an error", puts.Load(), bare.Load(), err)
			}
		})
	}
}

// The log of the daemon has one form. What the SDK has to say of an answer that
// breaks off behind its end is none of it.
func TestTheSDKWritesNothingOnStandardError(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		const answer = `<DescribeNetworkAclsResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"><networkAclSet/></DescribeNetworkAclsResponse>`
		w.Header().Set("Content-Length", fmt.Sprint(len(answer)+1))
		_, _ = fmt.Fprint(w, answer)
	}))
	defer server.Close()
	for name, value := range map[string]string{
		"AWS_ENDPOINT_URL": server.URL, "AWS_REGION": "eu-central-1",
		"AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_CONFIG_FILE": os.DevNull, "AWS_SHARED_CREDENTIALS_FILE": os.DevNull,
	} {
		t.Setenv(name, value)
	}
	said, err := os.CreateTemp(t.TempDir(), "stderr")
	if err != nil {
		t.Fatal(err)
	}
	defer said.Close() //nolint:errcheck // it is read by its name
	standard := os.Stderr
	os.Stderr = said
	defer func() { os.Stderr = standard }()
	client, err := Connect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.DescribeNetworkAcls(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(said.Name()); err != nil || len(text) > 0 {
		t.Errorf("it wrote %q (%v)", text, err)
	}
}
