package ec2sim

import (
	"encoding/xml"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// site is a bastion behind a real TCP server.
type site struct {
	*Server
	acl string
	url string
	ec2 *ec2.Client
}

func newSite(t *testing.T, o Options) *site {
	t.Helper()
	s := New(o)
	x := &site{Server: s, acl: s.Bastion()}
	h := httptest.NewServer(s)
	t.Cleanup(func() { s.ReleaseAll(); h.Close() })
	x.url = h.URL
	x.ec2 = s.Client(h.URL)
	return x
}

// codeOf gives the error code and HTTP status that the SDK saw; no error is an
// empty code.
func codeOf(err error) (string, int) {
	code, status := "", 0
	var api smithy.APIError
	if errors.As(err, &api) {
		code = api.ErrorCode()
	}
	var resp *smithyhttp.ResponseError
	if errors.As(err, &resp) {
		status = resp.HTTPStatusCode()
	}
	if err != nil && code == "" {
		code = "no API error: " + err.Error()
	}
	return code, status
}

func wantCode(t *testing.T, err error, code string, status int) {
	t.Helper()
	gotCode, gotStatus := codeOf(err)
	if gotCode != code || gotStatus != status {
		t.Fatalf("got %q with status %d, want %q with status %d (error: %v)", gotCode, gotStatus, code, status, err)
	}
}

func wantOK(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("the call failed: %v", err)
	}
}

// deny is the input of a create of an inbound deny of all protocols.
func (x *site) deny(number int32, cidr string) *ec2.CreateNetworkAclEntryInput {
	in := &ec2.CreateNetworkAclEntryInput{
		NetworkAclId: aws.String(x.acl), RuleNumber: aws.Int32(number), Protocol: aws.String("-1"),
		RuleAction: types.RuleActionDeny, Egress: aws.Bool(false),
	}
	if strings.Contains(cidr, ":") {
		in.Ipv6CidrBlock = aws.String(cidr)
	} else {
		in.CidrBlock = aws.String(cidr)
	}
	return in
}

func replaceOf(in *ec2.CreateNetworkAclEntryInput) *ec2.ReplaceNetworkAclEntryInput {
	return &ec2.ReplaceNetworkAclEntryInput{
		NetworkAclId: in.NetworkAclId, RuleNumber: in.RuleNumber, Protocol: in.Protocol, RuleAction: in.RuleAction,
		Egress: in.Egress, CidrBlock: in.CidrBlock, Ipv6CidrBlock: in.Ipv6CidrBlock, PortRange: in.PortRange,
		IcmpTypeCode: in.IcmpTypeCode, DryRun: in.DryRun,
	}
}

func (x *site) create(t *testing.T, number int32, cidr string) {
	t.Helper()
	_, err := x.ec2.CreateNetworkAclEntry(t.Context(), x.deny(number, cidr))
	wantOK(t, err)
}

func (x *site) remove(t *testing.T, number int32) error {
	t.Helper()
	_, err := x.ec2.DeleteNetworkAclEntry(t.Context(), &ec2.DeleteNetworkAclEntryInput{
		NetworkAclId: aws.String(x.acl), RuleNumber: aws.Int32(number), Egress: aws.Bool(false),
	})
	return err
}

// at gives the inbound entry of a number.
func (x *site) at(number int) (Entry, bool) {
	for _, e := range x.Entries(x.acl) {
		if !e.Egress && e.Number == number {
			return e, true
		}
	}
	return Entry{}, false
}

func inboundDeny(number int, prefix string) Entry {
	return Entry{Number: number, Protocol: "-1", Prefix: netip.MustParsePrefix(prefix)}
}

// described reads the ACL through the API and gives its inbound user entries by
// number.
func (x *site) described(t *testing.T) map[int32]string {
	t.Helper()
	out, err := x.ec2.DescribeNetworkAcls(t.Context(), &ec2.DescribeNetworkAclsInput{NetworkAclIds: []string{x.acl}})
	wantOK(t, err)
	got := map[int32]string{}
	for _, e := range out.NetworkAcls[0].Entries {
		if !*e.Egress && *e.RuleNumber < 100 {
			got[*e.RuleNumber] = aws.ToString(e.CidrBlock) + aws.ToString(e.Ipv6CidrBlock)
		}
	}
	return got
}

const testSignature = "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260101/eu-central-1/ec2/aws4_request, " +
	"SignedHeaders=host;x-amz-date, Signature=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

// post sends a form as it stands, which the SDK would not: it checks some rules
// by itself. The answer must be well-formed XML.
func (x *site) post(t *testing.T, body string, edit func(*http.Request)) (code string, status int) {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Authorization", testSignature)
	r.Header.Set("X-Amz-Date", "20260101T000000Z")
	if edit != nil {
		edit(r)
	}
	w := httptest.NewRecorder()
	x.ServeHTTP(w, r)
	var e xmlError
	if w.Code != http.StatusOK {
		if err := xml.Unmarshal(w.Body.Bytes(), &e); err != nil {
			t.Fatalf("an error that is not in EC2's form: %v\n%s", err, w.Body)
		}
	}
	return e.Code, w.Code
}

// form is a complete create, with changes: "Name=value" sets, "Name" removes.
func (x *site) form(action string, changes ...string) string {
	v := url.Values{
		"Action": {action}, "Version": {"2016-11-15"}, "NetworkAclId": {x.acl}, "RuleNumber": {"7"},
		"Egress": {"false"}, "Protocol": {"-1"}, "RuleAction": {"deny"}, "CidrBlock": {"203.0.113.7/32"},
	}
	if action == "DeleteNetworkAclEntry" {
		v.Del("Protocol")
		v.Del("RuleAction")
		v.Del("CidrBlock")
	}
	for _, c := range changes {
		name, value, set := strings.Cut(c, "=")
		v.Del(name)
		if set {
			v.Set(name, value)
		}
	}
	return v.Encode()
}
