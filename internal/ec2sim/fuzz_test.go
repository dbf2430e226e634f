package ec2sim

import (
	"encoding/xml"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// FuzzQueryRequest sends arbitrary bodies. Whatever comes, the server answers
// with well-formed XML, never with an internal error, and the account still
// keeps every rule.
func FuzzQueryRequest(f *testing.F) {
	x := &site{Server: New(Options{})}
	x.acl = x.Bastion()
	for _, action := range []string{"CreateNetworkAclEntry", "ReplaceNetworkAclEntry", "DeleteNetworkAclEntry"} {
		f.Add(x.form(action))
		f.Add(x.form(action, "DryRun=true"))
	}
	f.Add(x.form(createAction, "Protocol=6", "PortRange.From=22", "PortRange.To=22"))
	f.Add(x.form(createAction, "CidrBlock", "Ipv6CidrBlock=2001:db8::/64", "Protocol=58", "Icmp.Type=1", "Icmp.Code=1"))
	f.Add("Action=DescribeNetworkAcls&Version=2016-11-15&MaxResults=5&Filter.1.Name=tag:a&Filter.1.Value.1=*%00*")
	f.Add("Action=CreateTags&Version=2016-11-15&ResourceId.1=" + x.acl + "&Tag.1.Key=%01&Tag.1.Value=%EF%BF%BF")
	f.Add("Action=DescribeTags&Version=2016-11-15")
	f.Add("Action=GetCallerIdentity&Version=2011-06-15")
	f.Add("Action=CreateNetworkAcl&Version=2016-11-15&VpcId=" + x.VPCOf(x.acl) + "&ClientToken=a")
	f.Add("Action=%3C%26&Version=2016-11-15")
	f.Add("%")
	f.Fuzz(func(t *testing.T, body string) {
		s := New(Options{})
		s.Bastion()
		r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Authorization", testSignature)
		r.Header.Set("X-Amz-Date", "20260101T000000Z")
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		if w.Code >= http.StatusInternalServerError {
			t.Errorf("status %d for %q: %s", w.Code, body, w.Body)
		}
		d := xml.NewDecoder(w.Body)
		for {
			if _, err := d.Token(); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatalf("the answer to %q is not XML: %v", body, err)
			}
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		if err := s.present().check(); err != nil {
			t.Errorf("after %q the account breaks a rule: %v", body, err)
		}
	})
}
