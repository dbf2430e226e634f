package observed

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
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
			client, expected := MetadataService()
			if !expected {
				t.Error("an endpoint is named, and no answer expected")
			}
			_, err := client.GetMetadata(t.Context(), &imds.GetMetadataInput{Path: "instance-id"})
			if err == nil || puts.Load() == 0 || bare.Load() > 0 {
				t.Errorf("%d tokens were asked for, %d reads made without one, error %v; want no read and an error", puts.Load(), bare.Load(), err)
			}
		})
	}
}

// What the SDK's own chain says of the metadata service holds: the environment
// and the files of profiles.
func TestTheMetadataServiceIsFoundAsTheSDKFindsIt(t *testing.T) {
	for name, c := range map[string]struct {
		env      map[string]string
		file     string
		asked    string // the endpoint; empty: nobody is
		expected bool
	}{
		"by default":            {nil, "", "169.254.169.254:80", false},
		"over IPv6":             {map[string]string{"AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE": "IPv6"}, "", "[fd00:ec2::254]:80", false},
		"over IPv6, in a file":  {nil, "ec2_metadata_service_endpoint_mode = ipv6\n", "[fd00:ec2::254]:80", false},
		"elsewhere":             {map[string]string{"AWS_EC2_METADATA_SERVICE_ENDPOINT": "http://192.0.2.1:8080"}, "", "192.0.2.1:8080", true},
		"elsewhere, in a file":  {nil, "ec2_metadata_service_endpoint = http://192.0.2.2:8080\n", "192.0.2.2:8080", true},
		"elsewhere before mode": {map[string]string{"AWS_EC2_METADATA_SERVICE_ENDPOINT": "http://192.0.2.1:8080", "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE": "IPv6"}, "", "192.0.2.1:8080", true},
		"switched off":          {map[string]string{"AWS_EC2_METADATA_DISABLED": "true"}, "", "", false},
		"an unknown profile":    {map[string]string{"AWS_PROFILE": "nobody", "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE": "IPv6"}, "", "[fd00:ec2::254]:80", false},
		"version 1 allowed":     {map[string]string{"AWS_EC2_METADATA_V1_DISABLED": "false"}, "", "169.254.169.254:80", false},
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "config")
			if err := os.WriteFile(file, []byte("[default]\n"+c.file), 0o600); err != nil {
				t.Fatal(err)
			}
			for _, name := range []string{"AWS_EC2_METADATA_SERVICE_ENDPOINT", "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE", "AWS_EC2_METADATA_DISABLED", "AWS_PROFILE", "HTTP_PROXY", "http_proxy"} {
				t.Setenv(name, c.env[name])
			}
			t.Setenv("AWS_EC2_METADATA_V1_DISABLED", c.env["AWS_EC2_METADATA_V1_DISABLED"])
			t.Setenv("AWS_CONFIG_FILE", file)
			asked := ""
			client, expected := MetadataService(func(o *imds.Options) {
				o.Retryer, o.HTTPClient = aws.NopRetryer{}, noting(func(r *http.Request) {
					if r.Method != http.MethodPut {
						t.Errorf("%s %s: it asks without a token", r.Method, r.URL)
					}
					if asked = r.URL.Host; r.URL.Port() == "" {
						asked += ":80"
					}
				})
			})
			_, err := client.GetMetadata(t.Context(), &imds.GetMetadataInput{Path: "instance-id"})
			if err == nil || asked != c.asked || expected != (c.expected || OnEC2()) {
				t.Errorf("it asks %q and expects an answer: %t (%v), want %q and %t", asked, expected, err, c.asked, c.expected)
			}
		})
	}
}

// noting is an HTTP client that reaches nobody.
type noting func(*http.Request)

func (n noting) Do(r *http.Request) (*http.Response, error) {
	n(r)
	return nil, errors.New("nobody is there")
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
