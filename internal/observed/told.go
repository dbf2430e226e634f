package observed

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"
)

// ErrNoCredentials means that a call was not sent, since nobody has given this
// machine credentials.
var ErrNoCredentials = errors.New("no AWS credentials are found: attach a role (an instance profile) to this instance, or name a profile with AWS_PROFILE")

// told is an error of the SDK in words for an operator. What the SDK made of it,
// with its request ID, is in the chain.
type told struct {
	error
	words string
}

func (t told) Error() string { return t.words }

func (t told) Unwrap() error { return t.error }

// Told gives an error that holds a failed call of the SDK words for an operator.
// This is the only place that does: the SDK's own text is for Raw.
func Told(err error) error {
	op, ok := errors.AsType[*smithy.OperationError](err)
	if !ok {
		return err
	}
	words := strings.ReplaceAll(err.Error(), op.Error(), gist(op))
	if unsigned(op) {
		return fmt.Errorf("%w: %w", ErrNoCredentials, told{err, words})
	}
	return told{err, words}
}

// Raw returns the SDK's own text of an error, for a debug log; "" where the SDK
// had no part in it.
func Raw(err error) string {
	if t, ok := errors.AsType[told](err); ok {
		return t.error.Error()
	}
	return ""
}

// unsigned reports that there was nothing to sign a call with. The SDK has no
// type for that (aws-sdk-go-v2, service/*/auth.go).
func unsigned(op *smithy.OperationError) bool {
	return strings.Contains(op.Error(), "get identity: get credentials: ")
}

// gist says in a few words what is wrong with a call, and in which region it was
// made. What AWS says of a denial is long, and its code says it all.
func gist(op *smithy.OperationError) string {
	where := ""
	if call, ok := errors.AsType[*callError](error(op)); ok && call.region != "" {
		where = " in the region " + call.region
	}
	api, ok := errors.AsType[smithy.APIError](error(op))
	switch {
	case !ok:
		return op.OperationName + where + ": " + cause(op).Error()
	case api.ErrorMessage() == "" || strings.Contains(api.ErrorMessage(), "not authorized"):
		return api.ErrorCode() + where
	}
	return fmt.Sprintf("%s%s: %s", api.ErrorCode(), where, strings.TrimSuffix(api.ErrorMessage(), "."))
}

// cause returns the innermost error, which the SDK wraps into much text.
func cause(err error) error {
	if errors.Is(err, context.DeadlineExceeded) {
		return errors.New("no answer in time (deadline exceeded); check the route, the security group and the endpoint")
	}
	for inner := err; inner != nil; inner = errors.Unwrap(inner) {
		err = inner
	}
	if errors.Is(err, io.EOF) {
		return errors.New("the answer ended early")
	}
	return err
}

// callError says in which region a call was made.
type callError struct {
	error
	region string
}

func (c *callError) Unwrap() error { return c.error }

// inRegion lets the errors of a client say its region.
func inRegion(region string) func(*middleware.Stack) error {
	return func(stack *middleware.Stack) error {
		return stack.Initialize.Add(middleware.InitializeMiddlewareFunc("reconciler:region",
			func(ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler) (middleware.InitializeOutput, middleware.Metadata, error) {
				out, metadata, err := next.HandleInitialize(ctx, in)
				if err != nil {
					err = &callError{err, region}
				}
				return out, metadata, err
			}), middleware.Before)
	}
}
