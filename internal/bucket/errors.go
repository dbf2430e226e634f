package bucket

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"reconciler/internal/desired"
)

// call is a kind of call with the permissions that it needs.
type call struct{ name, permission string }

var (
	get  = call{"GetObject", "s3:GetObject (and s3:ListBucket, without which a missing object is denied)"}
	put  = call{"PutObject", "s3:PutObject and s3:GetObject"}
	list = call{"ListObjectsV2", "s3:ListBucket"}
)

// explain gives an error the meaning that desired.Objects has for it. Its words
// are the same each time: a request's own number is left out. The codes are
// those of the Amazon S3 API reference, "Error responses".
func explain(err error, c call) error {
	code, status := codeOf(err)
	switch {
	case status == http.StatusNotModified:
		return desired.ErrSame
	case code == "NoSuchBucket":
		return fmt.Errorf("%s: there is no such bucket; make it, or mend --state: %w", c.name, desired.ErrRefused)
	case status == http.StatusNotFound && c == put, status == http.StatusPreconditionFailed, status == http.StatusConflict:
		return fmt.Errorf("%s: %s: %w", c.name, code, desired.ErrLostRace)
	case status == http.StatusNotFound && c == get:
		return desired.ErrNoObject
	case status == http.StatusServiceUnavailable, status == http.StatusTooManyRequests, strings.Contains(code, "Throttl"):
		return fmt.Errorf("%s: %s: %w", c.name, code, desired.ErrSlowDown)
	case code == "RequestTimeTooSkewed" || code == "RequestExpired":
		return fmt.Errorf("%s: %s: set the clock of this machine: %w", c.name, code, desired.ErrRefused)
	case code == "AccessDenied" && c == get:
		return fmt.Errorf("%s: %s: grant %s to this host: %w", c.name, code, c.permission, desired.ErrHidden)
	case status == http.StatusForbidden || status == http.StatusUnauthorized:
		return fmt.Errorf("%s: %s: grant %s to this host, or check its credentials: %w", c.name, code, c.permission, desired.ErrRefused)
	case status >= 300 && status < 400:
		return fmt.Errorf("%s: %s: the bucket is in another region; set AWS_REGION to it: %w", c.name, code, desired.ErrRefused)
	case status >= 400 && status < 500 && !passing[code]:
		return fmt.Errorf("%s: %s: check the bucket and the s3-… settings: %w", c.name, code, desired.ErrRefused)
	case status >= 400:
		return fmt.Errorf("%s: %s (%d)", c.name, code, status)
	}
	return fmt.Errorf("%s: %w", c.name, cause(err))
}

// passing are codes of a 4xx that may go away by itself.
var passing = map[string]bool{"RequestTimeout": true, "BadDigest": true, "IncompleteBody": true, "OperationAborted": true}

// codeOf gives S3's error code and the HTTP status; 0 is no answer.
func codeOf(err error) (code string, status int) {
	if response, ok := errors.AsType[*smithyhttp.ResponseError](err); ok {
		status = response.HTTPStatusCode()
	}
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		code = api.ErrorCode()
	}
	if code == "" {
		code = http.StatusText(status)
	}
	return code, status
}

// errSilence stands for a deadline that passed.
var errSilence = fmt.Errorf("no answer in time; check the network and the endpoint: %w", context.DeadlineExceeded)

// cause gives the innermost error, which the SDK wraps into much text.
func cause(err error) error {
	if errors.Is(err, context.DeadlineExceeded) {
		return errSilence
	}
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			break
		}
		err = inner
	}
	if errors.Is(err, io.EOF) {
		return fmt.Errorf("the answer ended early: %w", io.ErrUnexpectedEOF)
	}
	return err
}
