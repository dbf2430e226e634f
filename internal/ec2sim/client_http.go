package ec2sim

import (
	"io"
	"net/http"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
)

// newHTTPClient is the SDK's own HTTP client without a race between two
// libraries: the SDK closes a request's body once the answer's head is there,
// and its closed body gives io.EOF from WriteTo, which net/http takes for a
// failed write and closes the connection, in the middle of a long answer.
// The SDK's retryer covers that up (aws-sdk-go-v2, issue 2737); a client that
// makes one attempt cannot.
func newHTTPClient() ec2.HTTPClient { return plainBodies{awshttp.NewBuildableClient()} }

// plainBodies hides from net/http all of a request's body but Read and Close.
type plainBodies struct{ next ec2.HTTPClient }

func (c plainBodies) Do(r *http.Request) (*http.Response, error) {
	if r.Body != nil && r.Body != http.NoBody {
		r.Body = struct{ io.ReadCloser }{r.Body}
	}
	return c.next.Do(r)
}
