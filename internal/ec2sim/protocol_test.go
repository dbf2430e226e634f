package ec2sim

import (
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

func TestRequestsMustBeWellFormed(t *testing.T) {
	header := func(name, value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set(name, value) }
	}
	sign := func(old, fresh string) func(*http.Request) {
		return header("Authorization", strings.Replace(testSignature, old, fresh, 1))
	}
	good := "Action=DescribeNetworkAcls&Version=2016-11-15"
	cases := []struct {
		name, body string
		edit       func(*http.Request)
		code       string
		status     int
	}{
		{"a good one", good, nil, "", 200},
		{"an unknown action", "Action=RunInstances&Version=2016-11-15", nil, codeInvalidAction, 400},
		{"no action", "Version=2016-11-15", nil, "MissingAction", 400},
		{"no version", "Action=DescribeNetworkAcls", nil, "NoSuchVersion", 400},
		{"an old version", "Action=DescribeNetworkAcls&Version=2014-10-01", nil, "NoSuchVersion", 400},
		{"a parameter given twice", good + "&MaxResults=5&MaxResults=6", nil, codeMalformed, 400},
		{"a broken escape", good + "&MaxResults=%zz", nil, codeMalformed, 400},
		{"text that is not UTF-8", good + "&NextToken=%ff", nil, codeMalformed, 400},
		{"no signature", good, func(r *http.Request) { r.Header.Del("Authorization") }, codeAuthFailure, 401},
		{"another kind of signature", good, header("Authorization", "Basic Zm9vOmJhcg=="), codeAuthFailure, 401},
		{"the scope of another service", good, sign("/ec2/", "/s3/"), codeAuthFailure, 401},
		{"the scope of another region", good, sign("eu-central-1", "us-east-1"), codeAuthFailure, 401},
		{"a date that is not signed", good, sign("host;x-amz-date", "host"), codeAuthFailure, 401},
		{"a date that is another", good, header("X-Amz-Date", "20260102T000000Z"), codeAuthFailure, 401},
		{"a body of another type", good, header("Content-Type", "application/json"), codeMalformed, 400},
		{"parameters in the address", good, func(r *http.Request) { r.URL.RawQuery = "Action=x" }, codeMalformed, 400},
		{"another method", good, func(r *http.Request) { r.Method = http.MethodGet }, codeInvalidAction, 405},
		{"a body that is too long", good + "&NextToken=" + strings.Repeat("a", maxBody), nil, codeMalformed, 400},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			x := newSite(t, Options{})
			code, status := x.post(t, c.body, c.edit)
			if code != c.code || status != c.status {
				t.Errorf("answered %q with status %d, want %q with %d", code, status, c.code, c.status)
			}
			if calls := x.Calls(); len(calls) != 1 || calls[0].Code != c.code || calls[0].Status != c.status {
				t.Errorf("recorded %+v", calls)
			}
		})
	}
}

func TestADryRunChecksThePermissionAndHasNoEffect(t *testing.T) {
	x := newSite(t, Options{})
	x.create(t, 5, "203.0.113.7/32")
	in, del := x.deny(6, "203.0.113.8/32"), &ec2.DeleteNetworkAclEntryInput{
		NetworkAclId: aws.String(x.acl), RuleNumber: aws.Int32(5), Egress: aws.Bool(false), DryRun: aws.Bool(true),
	}
	in.DryRun = aws.Bool(true)
	rep := replaceOf(in)
	rep.RuleNumber = aws.Int32(5)
	run := map[string]func() error{
		"CreateNetworkAclEntry":  func() error { _, err := x.ec2.CreateNetworkAclEntry(t.Context(), in); return err },
		"ReplaceNetworkAclEntry": func() error { _, err := x.ec2.ReplaceNetworkAclEntry(t.Context(), rep); return err },
		"DeleteNetworkAclEntry":  func() error { _, err := x.ec2.DeleteNetworkAclEntry(t.Context(), del); return err },
		"DescribeNetworkAcls": func() error {
			_, err := x.ec2.DescribeNetworkAcls(t.Context(), &ec2.DescribeNetworkAclsInput{DryRun: aws.Bool(true)})
			return err
		},
	}
	before := x.Entries(x.acl)
	for name, call := range run {
		wantCode(t, call(), codeDryRun, 412)
		x.Deny(name)
		wantCode(t, call(), codeUnauthorized, 403)
		x.Allow(name)
	}
	if after := x.Entries(x.acl); len(after) != len(before) || x.Writes()[0].Action != "CreateNetworkAclEntry" || len(x.Writes()) != 1 {
		t.Errorf("dry runs changed the ACL or count as writes: %+v", x.Writes())
	}
	in.NetworkAclId = aws.String("acl-01234567")
	wantCode(t, run["CreateNetworkAclEntry"](), codeACLNotFound, 400)
}

func TestADeniedActionSaysWhichPermissionIsMissing(t *testing.T) {
	x := newSite(t, Options{})
	x.Deny("CreateNetworkAclEntry")
	_, err := x.ec2.CreateNetworkAclEntry(t.Context(), x.deny(1, "203.0.113.7/32"))
	wantCode(t, err, codeUnauthorized, 403)
	for _, want := range []string{"ec2:CreateNetworkAclEntry", "arn:aws:ec2:eu-central-1:123456789012:network-acl/" + x.acl} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the message %q does not name %s", err, want)
		}
	}
	if _, found := x.at(1); found {
		t.Errorf("a denied call had an effect")
	}
}

func TestGetCallerIdentityAnswersOnTheSameEndpoint(t *testing.T) {
	x := newSite(t, Options{})
	client := sts.New(sts.Options{
		BaseEndpoint: aws.String(x.url), Region: x.Region(), Retryer: aws.NopRetryer{},
		Credentials: credentials.NewStaticCredentialsProvider(accessKey, secretKey, ""),
	})
	out, err := client.GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{})
	wantOK(t, err)
	if *out.Account != account || !strings.HasPrefix(*out.Arn, "arn:aws:sts::") {
		t.Errorf("answered account %s and ARN %s", *out.Account, *out.Arn)
	}
	x.Deny("GetCallerIdentity")
	_, err = client.GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{})
	wantCode(t, err, codeUnauthorized, 403)
}
