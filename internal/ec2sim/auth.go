package ec2sim

import (
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
)

// Services that answer on the one endpoint.
const (
	serviceEC2 = "ec2"
	serviceSTS = "sts"
)

// signature is a Signature Version 4 header. The signature itself is not
// verified: the endpoint knows no secrets.
var signature = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^AWS4-HMAC-SHA256 Credential=([A-Za-z0-9]+)/(\d{8})/([a-z0-9-]+)/([a-z0-9-]+)/aws4_request, ?SignedHeaders=([a-z0-9;-]+), ?Signature=[0-9a-f]{64}$`)
})

// authenticate looks at a request's signature: that it is there, in form, dated,
// and made for this service and region.
func authenticate(h http.Header, service, region string) *apiError {
	m := signature().FindStringSubmatch(h.Get("Authorization"))
	if m == nil {
		return refuse(codeAuthFailure, "AWS was not able to validate the provided access credentials")
	}
	date, scopeRegion, scopeService, signed := m[2], m[3], m[4], strings.Split(m[5], ";")
	if scopeService != service {
		return refuse(codeAuthFailure, "Credential should be scoped to correct service: '%s'", service)
	}
	if scopeRegion != region {
		return refuse(codeAuthFailure, "Credential should be scoped to a valid region, not '%s'", scopeRegion)
	}
	if !strings.HasPrefix(h.Get("X-Amz-Date"), date+"T") || !slices.Contains(signed, "host") || !slices.Contains(signed, "x-amz-date") {
		return refuse(codeAuthFailure, "AWS was not able to validate the provided access credentials")
	}
	return nil
}
