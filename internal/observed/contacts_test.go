package observed

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// Whatever name led there: an address is protected from the first attempt on,
// which a ban of it would leave without an answer.
func TestWhatIsCalledToReachAWSIsProtected(t *testing.T) {
	reached = contacts{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) }))
	defer server.Close()
	for name, value := range map[string]string{
		"AWS_ENDPOINT_URL": strings.Replace(server.URL, "127.0.0.1", "localhost", 1), "AWS_REGION": "eu-central-1",
		"AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_CONFIG_FILE": os.DevNull, "AWS_SHARED_CREDENTIALS_FILE": os.DevNull,
	} {
		t.Setenv(name, value)
	}
	client, err := Connect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := Protected{netip.MustParsePrefix("127.0.0.1/32"), "an address by which AWS is reached"}
	if slices.Contains(waysToAWS(time.Now()), want) {
		t.Fatal("it is protected before any call")
	}
	if _, err := client.DescribeNetworkAcls(t.Context(), nil); err == nil {
		t.Fatal("the server denies, and there is no error")
	}
	if here, _ := ProtectedHere(); !slices.Contains(here, want) {
		t.Errorf("%v is not among what is protected: %v", want, here)
	}
	if ways := waysToAWS(time.Now().Add(contactKept + time.Minute)); len(ways) > 0 {
		t.Errorf("nobody has called for an hour, and protected are %v", ways)
	}
}

func TestAddressesInTheSettingsAreProtected(t *testing.T) {
	got := addressed([]string{
		"HTTPS_PROXY=http://user:secret@198.51.100.7:3128", "http_proxy=198.51.100.8:3128", "HTTP_PROXY=http://proxy.example.org:3128",
		"AWS_ENDPOINT_URL=https://[2001:db8::7]/", "AWS_ENDPOINT_URL_S3=http://198.51.100.9:9000", "NO_PROXY=198.51.100.10", "https_proxy=http://%zz",
		"AWS_ENDPOINT_URL_EC2=https://ec2.eu-central-1.amazonaws.com", "HOME=/198.51.100.11", "https_proxy=http://198.51.100.7:3128",
	})
	want := []Protected{
		{netip.MustParsePrefix("198.51.100.7/32"), "the proxy in use"},
		{netip.MustParsePrefix("198.51.100.8/32"), "the proxy in use"},
		{netip.MustParsePrefix("198.51.100.9/32"), "an endpoint of AWS in use"},
		{netip.MustParsePrefix("2001:db8::7/128"), "an endpoint of AWS in use"},
	}
	if !slices.Equal(got, want) {
		t.Errorf("protected are %v, want %v", got, want)
	}
}
