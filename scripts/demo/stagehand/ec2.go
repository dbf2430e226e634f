package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
)

// maxCall bounds the form of one call; those of Network ACLs take a few hundred bytes.
const maxCall = 1 << 20

// witness stands before an endpoint and notes the action of each call, a line
// each, before it passes the call on.
func witness(ctx context.Context, out io.Writer, endpoint, path string) error {
	target, err := url.Parse(endpoint)
	if err != nil {
		return fmt.Errorf("reading the endpoint: %w", err)
	}
	notes, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("opening the notes: %w", err)
	}
	defer notes.Close() //nolint:errcheck // every line was written by itself
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("listening for EC2 calls: %w", err)
	}
	server := &http.Server{ReadHeaderTimeout: 10 * time.Second, Handler: noting(httputil.NewSingleHostReverseProxy(target), notes)} //nolint:gosec // the caller names the endpoint
	go func() {
		<-ctx.Done()
		_ = server.Close() // the process ends as well
	}()
	if _, err := fmt.Fprintf(out, "http://%s\n", listener.Addr()); err != nil {
		return err
	}
	if err := server.Serve(listener); ctx.Err() == nil {
		return fmt.Errorf("passing EC2 calls on: %w", err)
	}
	return nil
}

func noting(next http.Handler, notes io.Writer) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxCall))
		form, formErr := url.ParseQuery(string(body))
		if err != nil || formErr != nil {
			http.Error(w, "this is no EC2 call", http.StatusBadRequest)
			return
		}
		if _, err := fmt.Fprintf(notes, "%q\n", form.Get("Action")); err != nil {
			http.Error(w, "the call could not be noted", http.StatusInternalServerError)
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		next.ServeHTTP(w, r)
	})
}

func client(ctx context.Context) (*ec2.Client, error) {
	settings, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading the AWS settings: %w", err)
	}
	return ec2.NewFromConfig(settings), nil
}

// rules prints what the endpoint itself says of an ACL, the default rules left out.
func rules(ctx context.Context, out io.Writer, acl string) error {
	api, err := client(ctx)
	if err != nil {
		return err
	}
	answer, err := api.DescribeNetworkAcls(ctx, &ec2.DescribeNetworkAclsInput{NetworkAclIds: []string{acl}})
	if err != nil {
		return fmt.Errorf("describing network ACL %s: %w", acl, err)
	}
	for _, a := range answer.NetworkAcls {
		for _, e := range a.Entries {
			if aws.ToBool(e.Egress) || aws.ToInt32(e.RuleNumber) > 32766 {
				continue
			}
			cidr := aws.ToString(e.CidrBlock) + aws.ToString(e.Ipv6CidrBlock)
			if _, err := fmt.Fprintln(out, aws.ToInt32(e.RuleNumber), cidr, e.RuleAction); err != nil {
				return err
			}
		}
	}
	return nil
}

// deleteRule plays a colleague who tidies an ACL up by hand.
func deleteRule(ctx context.Context, acl string, rule int32) error {
	api, err := client(ctx)
	if err != nil {
		return err
	}
	_, err = api.DeleteNetworkAclEntry(ctx, &ec2.DeleteNetworkAclEntryInput{
		NetworkAclId: aws.String(acl), RuleNumber: aws.Int32(rule), Egress: aws.Bool(false),
	})
	if err != nil {
		return fmt.Errorf("deleting rule %d of network ACL %s: %w", rule, acl, err)
	}
	return nil
}
