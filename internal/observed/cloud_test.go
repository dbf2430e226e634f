package observed

import (
	"fmt"
	"net/http"
	"net/http/httptest"
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
