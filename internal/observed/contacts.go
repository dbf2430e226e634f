package observed

import (
	"context"
	"maps"
	"net"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
)

// contactKept is how long an address stays protected after the last attempt to
// reach AWS through it.
const contactKept = time.Hour

// contacts are the addresses by which this process tries to reach AWS: of an
// endpoint or of the proxy before it, whatever setting or name led there. A ban
// of one would block the answers. They are noted before the connection is made,
// for one that is banned already never is.
type contacts struct {
	mu sync.Mutex
	at map[netip.Addr]time.Time
}

var reached contacts

// note is a net.Dialer's ControlContext.
func (c *contacts) note(_ context.Context, _, address string, _ syscall.RawConn) error {
	at, err := netip.ParseAddrPort(address)
	if err != nil {
		return nil // not a place that a ban can be of
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.at == nil {
		c.at = map[netip.Addr]time.Time{}
	}
	c.at[at.Addr().Unmap().WithZone("")] = time.Now()
	return nil
}

// recent gives the addresses that were tried lately, in their order.
func (c *contacts) recent(now time.Time) []netip.Addr {
	c.mu.Lock()
	defer c.mu.Unlock()
	maps.DeleteFunc(c.at, func(_ netip.Addr, at time.Time) bool { return now.Sub(at) > contactKept })
	return slices.SortedFunc(maps.Keys(c.at), netip.Addr.Compare)
}

// noticed is the SDK's own HTTP client, which notes whom it calls.
func noticed() *awshttp.BuildableClient {
	return awshttp.NewBuildableClient().WithDialerOptions(func(d *net.Dialer) { d.ControlContext = reached.note })
}

// proxySettings are what net/http takes a proxy from.
var proxySettings = []string{"HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"}

// addressed gives the addresses that the environment itself names as a proxy or
// as an endpoint of AWS, which count before the first call is made.
func addressed(environ []string) (out []Protected) {
	for _, pair := range environ {
		name, value, _ := strings.Cut(pair, "=")
		rule := "the proxy in use"
		if strings.HasPrefix(name, "AWS_ENDPOINT_URL") {
			rule = "an endpoint of AWS in use"
		} else if !slices.Contains(proxySettings, name) {
			continue
		}
		if !strings.Contains(value, "://") {
			value = "http://" + value // as net/http reads it
		}
		u, err := url.Parse(value)
		if err != nil {
			continue
		}
		if addr, err := netip.ParseAddr(u.Hostname()); err == nil {
			out = append(out, single(addr, rule))
		}
	}
	slices.SortFunc(out, func(a, b Protected) int { return Compare(a.Prefix, b.Prefix) })
	return slices.Compact(out)
}

// waysToAWS gives what must stay open for AWS to be reached.
func waysToAWS(now time.Time) []Protected {
	return append(addressed(os.Environ()), rulesOf("an address by which AWS is reached", reached.recent(now))...)
}
