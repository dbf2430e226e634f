package apply

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/smithy-go"

	"reconciler/internal/observed"
)

// What a failed change means for the next step. Exactly one of these is in the
// chain of every error that an ACL back end or Explain gives.
var (
	// ErrConflict: the ACL is not what the plan believed; read it again.
	ErrConflict = errors.New("the ACL was changed by somebody else; it is read and planned again")
	// ErrQuota: the ACL takes no more entries of this family and direction.
	ErrQuota = errors.New("the ACL is full; what does not fit is left to the host (quota L-2AEEBF1A can be raised to 40)")
	// ErrThrottled: the account's request rate is used up; back off.
	ErrThrottled = errors.New("AWS throttles the account; it is tried again later")
	// ErrDenied: a permission is missing; the message names it.
	ErrDenied = errors.New("AWS denies it")
	// ErrMalformed: the API takes this entry for nonsense; leave the ban to the host.
	ErrMalformed = errors.New("AWS rejects the entry; the host alone enforces the ban")
	// ErrDoubtful: no answer; the change may have had its effect, or have it later.
	ErrDoubtful = errors.New("no clear answer from AWS; the same is tried again")
	// ErrTooOld: too much time has passed since the look that the change rests on.
	ErrTooOld = errors.New("not tried: the look that it rests on is too old; the ACL is read again")
	// ErrNotTried: an earlier failure in the batch made this one pointless.
	ErrNotTried = errors.New("not tried after an earlier failure")
)

// Explain wraps an error of the EC2 API with the sentinel that says what it
// means. The codes are those of the EC2 API reference, "Error codes".
func Explain(err error, permission string) error {
	if err == nil {
		return nil
	}
	err = observed.Told(err)
	api, ok := errors.AsType[smithy.APIError](err)
	if !ok {
		if errors.Is(err, observed.ErrACLNotFound) || errors.Is(err, observed.ErrNoCredentials) {
			return err
		}
		return fmt.Errorf("%w: %w", ErrDoubtful, err)
	}
	switch api.ErrorCode() {
	case "NetworkAclEntryAlreadyExists", "InvalidNetworkAclEntry.NotFound":
		return fmt.Errorf("%w: %w", ErrConflict, err)
	case "NetworkAclEntryLimitExceeded":
		return fmt.Errorf("%w: %w", ErrQuota, err)
	case "InvalidNetworkAclID.NotFound", "InvalidNetworkAclID.Malformed":
		return fmt.Errorf("%w: %w", observed.ErrACLNotFound, err)
	case "RequestLimitExceeded", "EC2ThrottledException", "Throttling", "ThrottlingException":
		return fmt.Errorf("%w: %w", ErrThrottled, err)
	case "UnauthorizedOperation", "AccessDenied":
		return fmt.Errorf("%w: grant %s to this instance's role: %w", ErrDenied, permission, err)
	case "AuthFailure", "InvalidClientTokenId", "ExpiredToken", "RequestExpired", "SignatureDoesNotMatch":
		return fmt.Errorf("%w: check the credentials, and the clock of this machine: %w", ErrDenied, err)
	case "OptInRequired":
		return fmt.Errorf("%w: the account has no part in this region or service: %w", ErrDenied, err)
	case "InvalidParameterValue", "InvalidParameterCombination", "MissingParameter", "InvalidParameter":
		return fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	return fmt.Errorf("%w: %w", ErrDoubtful, err)
}

// Code gives the API's error code, for logs and metrics; "" for no API error.
func Code(err error) string {
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		return api.ErrorCode()
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return "Timeout"
	}
	return ""
}

// Unpermitted says that a policy lacks the action, while others may be allowed.
func Unpermitted(err error) bool {
	code := Code(err)
	return errors.Is(err, ErrDenied) && (code == "UnauthorizedOperation" || code == "AccessDenied")
}

// Unsettled says that a write may have had its effect although it failed. A
// throttle counts: the SDK repeats lost requests, and the last answer alone
// says nothing about the first try.
func Unsettled(err error) bool {
	return errors.Is(err, ErrDoubtful) || errors.Is(err, ErrThrottled)
}
