// Package bucket reads and writes whole objects of one S3 bucket, with the
// conditions that S3 offers. It keeps no state and tries each write once.
package bucket

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/url"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"reconciler/internal/desired"
	"reconciler/internal/observed"
)

// Options say which bucket, and how objects are written to it.
type Options struct {
	Bucket    string
	SSE       string // server-side encryption: AES256, aws:kms or aws:kms:dsse; empty: as the bucket says
	KMSKeyID  string // the key of a customer, with aws:kms; empty: AWS's own
	PathStyle bool   // the bucket's name goes in the path, not in the host's name
}

// Client is a desired.Objects over one bucket.
type Client struct {
	Options
	api *s3.Client
}

// Connect builds a client from the SDK's own chain of settings (AWS_REGION,
// AWS_ENDPOINT_URL_S3, profiles, roles). It may ask the metadata service.
func Connect(ctx context.Context, o Options) (*Client, error) {
	cfg, err := observed.Settings(ctx)
	if err != nil {
		return nil, err
	}
	return New(cfg, o), nil
}

// New builds a client from settings that are at hand.
func New(cfg aws.Config, o Options) *Client {
	return &Client{Options: o, api: s3.NewFromConfig(cfg, func(opt *s3.Options) {
		opt.UsePathStyle = o.PathStyle
		// The callers try again by themselves. An attempt of the SDK's own, after a
		// write whose answer was lost, would fail on that write's success.
		opt.RetryMaxAttempts = 1
	})}
}

// Get reads an object; see desired.Objects.
func (c *Client) Get(ctx context.Context, key, unless string, limit int64) (desired.Object, error) {
	in := &s3.GetObjectInput{Bucket: &c.Bucket, Key: &key}
	if unless != "" {
		in.IfNoneMatch = &unless
	}
	out, err := c.api.GetObject(ctx, in)
	if err != nil {
		return desired.Object{}, explain(err, get)
	}
	defer out.Body.Close() //nolint:errcheck // all that counts was read
	if aws.ToInt64(out.ContentLength) > limit {
		return desired.Object{}, fmt.Errorf("%d bytes: %w", *out.ContentLength, desired.ErrTooLarge)
	}
	body, err := io.ReadAll(io.LimitReader(out.Body, limit+1))
	if err != nil {
		return desired.Object{}, explain(err, get)
	}
	if int64(len(body)) > limit {
		return desired.Object{}, fmt.Errorf("more than %d bytes: %w", limit, desired.ErrTooLarge)
	}
	if want := out.ContentLength; want != nil && *want != int64(len(body)) {
		return desired.Object{}, fmt.Errorf("%d of %d bytes came: %w", len(body), *want, io.ErrUnexpectedEOF)
	}
	if aws.ToString(out.ETag) == "" {
		return desired.Object{}, errNoTag
	}
	return desired.Object{Body: body, Tag: *out.ETag, Modified: aws.ToTime(out.LastModified).UTC().Truncate(time.Second)}, nil
}

var errNoTag = fmt.Errorf("the answer has no ETag, without which nothing can be written safely; is the endpoint S3? %w", desired.ErrRefused)

// Put writes an object under a condition; see desired.Objects.
func (c *Client) Put(ctx context.Context, key, tag string, body []byte) (string, error) {
	in := &s3.PutObjectInput{
		Bucket: &c.Bucket, Key: &key, Body: bytes.NewReader(body), ContentLength: aws.Int64(int64(len(body))),
		ContentType: aws.String("application/x-ndjson"), ServerSideEncryption: types.ServerSideEncryption(c.SSE),
	}
	if c.KMSKeyID != "" {
		in.SSEKMSKeyId = &c.KMSKeyID
	}
	if tag == "" {
		in.IfNoneMatch = aws.String("*")
	} else {
		in.IfMatch = &tag
	}
	out, err := c.api.PutObject(ctx, in)
	if err != nil {
		return "", explain(err, put)
	}
	if aws.ToString(out.ETag) == "" {
		return "", errNoTag
	}
	return *out.ETag, nil
}

// List gives the objects directly under a prefix; see desired.Objects. Keys are
// asked for in the form of a URL: a key may hold what no XML can, and one such
// must not hide all others.
func (c *Client) List(ctx context.Context, prefix string, limit int) ([]desired.Listed, error) {
	pages := s3.NewListObjectsV2Paginator(c.api, &s3.ListObjectsV2Input{
		Bucket: &c.Bucket, Prefix: &prefix, Delimiter: aws.String("/"),
		EncodingType: types.EncodingTypeUrl,
	})
	var all []desired.Listed
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, explain(err, list)
		}
		for _, o := range page.Contents {
			if len(all) == limit {
				return nil, fmt.Errorf("there are more than %d objects; name a prefix that holds logs alone: %w", limit, desired.ErrRefused)
			}
			all = append(all, desired.Listed{Key: keyOf(page, o), Tag: aws.ToString(o.ETag), Size: aws.ToInt64(o.Size)})
		}
	}
	return all, nil
}

// keyOf reads a key in the form that the answer says it has: not every server
// knows the one that was asked for.
func keyOf(page *s3.ListObjectsV2Output, o types.Object) string {
	key := aws.ToString(o.Key)
	if page.EncodingType != types.EncodingTypeUrl {
		return key
	}
	if plain, err := url.QueryUnescape(key); err == nil {
		return plain
	}
	return key
}
