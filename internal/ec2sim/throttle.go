package ec2sim

import (
	"time"
)

// rate is a token bucket's size and refill per second ("Request throttling for
// the Amazon EC2 API"). Each action has a bucket of its own.
type rate struct {
	burst, refill float64
}

var (
	rateDescribe   = rate{100, 20}
	rateUnfiltered = rate{50, 10} // a Describe with neither ids, filters nor MaxResults
	rateWrite      = rate{50, 5}
)

type bucket struct {
	tokens float64
	at     time.Time
}

// take spends a token. A clock that steps back refills nothing.
func (b *bucket) take(r rate, now time.Time) bool {
	if b.at.IsZero() {
		b.tokens = r.burst
	}
	if passed := now.Sub(b.at).Seconds(); !b.at.IsZero() && passed > 0 {
		b.tokens = min(r.burst, b.tokens+passed*r.refill)
	}
	b.at = now
	if b.tokens < 1 {
		return false
	}
	b.tokens--
	return true
}

// rateOf picks the bucket's name and rate for a request.
func rateOf(name string, write bool, p *params) (string, rate) {
	switch {
	case write:
		return name, rateWrite
	case p.has("Filter.") || p.has("MaxResults") || p.has("NetworkAclId.") || p.has("SubnetId.") || p.has("VpcId.") || p.has("NetworkInterfaceId."):
		return name, rateDescribe
	}
	return name + " unfiltered", rateUnfiltered
}
