package ec2sim

import (
	"fmt"
	"net/http"
)

// Error codes of the EC2 API ("Error codes for the Amazon EC2 API").
const (
	codeAuthFailure     = "AuthFailure"
	codeDryRun          = "DryRunOperation"
	codeUnauthorized    = "UnauthorizedOperation"
	codeLimitExceeded   = "RequestLimitExceeded"
	codeInternal        = "InternalError"
	codeInvalidAction   = "InvalidAction"
	codeMissing         = "MissingParameter"
	codeValue           = "InvalidParameterValue"
	codeCombination     = "InvalidParameterCombination"
	codeUnknown         = "UnknownParameter"
	codeMalformed       = "MalformedQueryString"
	codePagination      = "InvalidPaginationToken"
	codeEntryExists     = "NetworkAclEntryAlreadyExists"
	codeEntryLimit      = "NetworkAclEntryLimitExceeded"
	codeEntryNotFound   = "InvalidNetworkAclEntry.NotFound"
	codeACLNotFound     = "InvalidNetworkAclID.NotFound"
	codeACLLimit        = "NetworkAclLimitExceeded"
	codeDependency      = "DependencyViolation"
	codeNoAssociation   = "InvalidAssociationID.NotFound"
	codeTagLimit        = "TagLimitExceeded"
	codeIDInvalid       = "InvalidID"
	messageInternal     = "An internal error has occurred"
	messageRateExceeded = "Request limit exceeded."
)

// statuses are the HTTP statuses that are not 400. A dry run's success is 412
// and a refused one 403, as EC2 answers them.
var statuses = map[string]int{
	codeAuthFailure:   http.StatusUnauthorized,
	codeUnauthorized:  http.StatusForbidden,
	codeDryRun:        http.StatusPreconditionFailed,
	codeLimitExceeded: http.StatusServiceUnavailable,
	codeInternal:      http.StatusInternalServerError,
}

// apiError is an error that the API answers.
type apiError struct {
	code    string
	message string
	status  int
}

func (e *apiError) Error() string { return e.code + ": " + e.message }

// refuse makes an apiError with the status that belongs to its code.
func refuse(code, format string, args ...any) *apiError {
	status, ok := statuses[code]
	if !ok {
		status = http.StatusBadRequest
	}
	return &apiError{code: code, message: fmt.Sprintf(format, args...), status: status}
}

// badValue is the refusal of one parameter's value, in the words of EC2.
func badValue(value, parameter, why string) *apiError {
	return refuse(codeValue, "Value (%s) for parameter %s is invalid. %s", value, lowerFirst(parameter), why)
}

// missing is the refusal of a request that lacks a parameter.
func missing(parameter string) *apiError {
	return refuse(codeMissing, "The request must contain the parameter %s", lowerFirst(parameter))
}

// lowerFirst writes a parameter's name as EC2's messages do.
func lowerFirst(s string) string {
	if s == "" || s[0] < 'A' || s[0] > 'Z' {
		return s
	}
	return string(s[0]+'a'-'A') + s[1:]
}
