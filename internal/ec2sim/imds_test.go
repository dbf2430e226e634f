package ec2sim

import (
	"context"
	"io"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials/ec2rolecreds"
	"github.com/aws/aws-sdk-go-v2/feature/ec2/imds"
)

func (x *site) imds() *imds.Client {
	return imds.New(imds.Options{Endpoint: x.url, Retryer: aws.NopRetryer{}, EnableFallback: aws.FalseTernary})
}

func read(t *testing.T, c *imds.Client, path string) (string, error) {
	t.Helper()
	out, err := c.GetMetadata(t.Context(), &imds.GetMetadataInput{Path: path})
	if err != nil {
		return "", err
	}
	b, err := io.ReadAll(out.Content)
	wantOK(t, err)
	return string(b), nil
}

func TestMetadataTellsOfEveryInterface(t *testing.T) {
	x := newSite(t, Options{})
	second := x.AddSubnet(x.VPCOf(x.acl), netip.MustParsePrefix("10.0.2.0/24"), netip.Prefix{})
	x.AddInterface(Interface{Subnet: second, Private: []netip.Addr{netip.MustParseAddr("10.0.2.9")}})
	c := x.imds()
	first := x.SubnetsOf(x.acl)[0]
	if first == second {
		first = x.SubnetsOf(x.acl)[1]
	}
	const macs = "network/interfaces/macs/"
	for path, want := range map[string]string{
		"mac":                                "02:00:00:00:00:01",
		"local-ipv4":                         "10.0.1.10",
		"public-ipv4":                        "198.51.100.10",
		"local-hostname":                     "ip-10-0-1-10.eu-central-1.compute.internal",
		"placement/availability-zone":        "eu-central-1a",
		"placement/region":                   "eu-central-1",
		macs:                                 "02:00:00:00:00:01/\n02:00:00:00:00:02/",
		macs + "02:00:00:00:00:01/subnet-id": first,
		macs + "02:00:00:00:00:02/subnet-id": second,
		macs + "02:00:00:00:00:01/vpc-id":    x.VPCOf(x.acl),
		macs + "02:00:00:00:00:01/vpc-ipv4-cidr-blocks":   "10.0.0.0/16",
		macs + "02:00:00:00:00:01/vpc-ipv6-cidr-blocks":   "fd00:ec2:0:100::/56",
		macs + "02:00:00:00:00:01/subnet-ipv4-cidr-block": "10.0.1.0/24",
		macs + "02:00:00:00:00:01/ipv6s":                  "fd00:ec2:0:101::a",
		macs + "02:00:00:00:00:01/public-ipv4s":           "198.51.100.10",
		macs + "02:00:00:00:00:02/local-ipv4s":            "10.0.2.9",
		macs + "02:00:00:00:00:02/device-number":          "1",
		"iam/security-credentials/":                       "bastion",
	} {
		if got, err := read(t, c, path); err != nil || got != want {
			t.Errorf("%s is %q (%v), want %q", path, got, err, want)
		}
	}
	for _, path := range []string{macs + "02:00:00:00:00:02/public-ipv4s", macs + "02:00:00:00:00:03/", "colour"} {
		if got, err := read(t, c, path); err == nil {
			t.Errorf("%s is there: %q", path, got)
		}
	}
}

func TestTheSDKFindsRegionIdentityAndCredentials(t *testing.T) {
	x := newSite(t, Options{Region: "us-west-2"})
	c := x.imds()
	region, err := c.GetRegion(t.Context(), &imds.GetRegionInput{})
	wantOK(t, err)
	doc, err := c.GetInstanceIdentityDocument(t.Context(), &imds.GetInstanceIdentityDocumentInput{})
	wantOK(t, err)
	if region.Region != "us-west-2" || doc.PrivateIP != "10.0.1.10" || doc.AccountID != account {
		t.Errorf("region %s, document %+v", region.Region, doc)
	}
	creds, err := ec2rolecreds.New(func(o *ec2rolecreds.Options) { o.Client = c }).Retrieve(t.Context())
	wantOK(t, err)
	if creds.AccessKeyID != accessKey || !creds.CanExpire {
		t.Errorf("credentials %+v", creds)
	}
}

func TestOnlyVersion2OfTheMetadataServiceIsSpoken(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	x := newSite(t, Options{Now: func() time.Time { return now }})
	send := func(method, path string, headers ...string) (int, string) {
		r, err := http.NewRequestWithContext(t.Context(), method, x.url+path, nil)
		wantOK(t, err)
		for i := 0; i < len(headers); i += 2 {
			r.Header.Set(headers[i], headers[i+1])
		}
		resp, err := http.DefaultClient.Do(r)
		wantOK(t, err)
		defer func() { _ = resp.Body.Close() }()
		b, err := io.ReadAll(resp.Body)
		wantOK(t, err)
		return resp.StatusCode, string(b)
	}
	const id, tokenPath = "/latest/meta-data/instance-id", "/latest/api/token"
	status, token := send(http.MethodPut, tokenPath, headerTokenTTL, "60")
	if status != 200 || token == "" {
		t.Fatalf("no token: status %d", status)
	}
	for name, c := range map[string]struct {
		method, path string
		headers      []string
		want         int
	}{
		"a read without a token":        {http.MethodGet, id, nil, 401},
		"a read with a made-up token":   {http.MethodGet, id, []string{headerToken, "x"}, 401},
		"a read with a token":           {http.MethodGet, id, []string{headerToken, token}, 200},
		"a token without a life":        {http.MethodPut, tokenPath, nil, 400},
		"a token that lives too long":   {http.MethodPut, tokenPath, []string{headerTokenTTL, "21601"}, 400},
		"a token that lives no time":    {http.MethodPut, tokenPath, []string{headerTokenTTL, "0"}, 400},
		"a token through a proxy":       {http.MethodPut, tokenPath, []string{headerTokenTTL, "60", "X-Forwarded-For", "192.0.2.1"}, 403},
		"a token by another method":     {http.MethodGet, tokenPath, []string{headerTokenTTL, "60"}, 405},
		"a write to the metadata":       {http.MethodPost, id, []string{headerToken, token}, 405},
		"something that does not exist": {http.MethodGet, "/latest/meta-data/nothing", []string{headerToken, token}, 404},
	} {
		if got, _ := send(c.method, c.path, c.headers...); got != c.want {
			t.Errorf("%s: status %d, want %d", name, got, c.want)
		}
	}
	now = now.Add(time.Minute)
	if got, _ := send(http.MethodGet, id, headerToken, token); got != 401 {
		t.Errorf("a token past its life: status %d, want 401", got)
	}
	_, token = send(http.MethodPut, tokenPath, headerTokenTTL, "60")
	x.ExpireTokens()
	if got, _ := send(http.MethodGet, id, headerToken, token); got != 401 {
		t.Errorf("a token that was taken back: status %d, want 401", got)
	}
	if len(x.Calls()) != 0 || len(x.MetadataCalls()) == 0 {
		t.Errorf("metadata requests are recorded as API calls, or not at all")
	}
}

func TestTheMetadataServiceCanBeAway(t *testing.T) {
	x := newSite(t, Options{})
	for mode, words := range map[MetadataMode]string{
		MetadataOff: "404", MetadataForbidden: "403", MetadataFailing: "500",
	} {
		x.SetMetadata(mode)
		if _, err := read(t, x.imds(), "instance-id"); err == nil || !strings.Contains(err.Error(), words) {
			t.Errorf("mode %d: got %v, want a %s", mode, err, words)
		}
	}
	x.SetMetadata(MetadataSilent)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := x.imds().GetMetadata(ctx, &imds.GetMetadataInput{Path: "instance-id"}); err == nil {
		t.Errorf("a silent service answered")
	}
	x.SetMetadata(MetadataOn)
	if _, err := read(t, x.imds(), "instance-id"); err != nil {
		t.Errorf("the service did not come back: %v", err)
	}
}
