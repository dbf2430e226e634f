package ec2sim

import (
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
)

// The credentials that Client, Env and the metadata service hand out. They open
// nothing: the server takes any.
const (
	accessKey = "SIMULATED"
	secretKey = "simulated"
)

// Client makes an SDK client for a server at a URL: static credentials, the
// server's region, and one attempt per call unless an option says otherwise.
func (s *Server) Client(url string, options ...func(*ec2.Options)) *ec2.Client {
	base := ec2.Options{
		BaseEndpoint: aws.String(url),
		Region:       s.region,
		Credentials:  credentials.NewStaticCredentialsProvider(accessKey, secretKey, ""),
		Retryer:      aws.NopRetryer{},
		HTTPClient:   newHTTPClient(),
	}
	return ec2.New(base, options...)
}

// LocalClient makes an SDK client that reaches the server without a network.
// It works under testing/synctest.
func (s *Server) LocalClient(options ...func(*ec2.Options)) *ec2.Client {
	local := func(o *ec2.Options) { o.HTTPClient = &http.Client{Transport: s.Transport()} }
	return s.Client("http://ec2sim.invalid", append([]func(*ec2.Options){local}, options...)...)
}

// Env gives the environment, as NAME=VALUE, that points the AWS SDKs and the
// CLI at a server at a URL, the metadata service included.
func (s *Server) Env(url string) []string {
	return []string{
		"AWS_ENDPOINT_URL=" + url,
		"AWS_EC2_METADATA_SERVICE_ENDPOINT=" + url,
		"AWS_REGION=" + s.region,
		"AWS_DEFAULT_REGION=" + s.region,
		"AWS_ACCESS_KEY_ID=" + accessKey,
		"AWS_SECRET_ACCESS_KEY=" + secretKey,
	}
}
