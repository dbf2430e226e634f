package doctor

import (
	"context"
	"errors"
	"fmt"

	smithyhttp "github.com/aws/smithy-go/transport/http"

	"reconciler/internal/apply"
	"reconciler/internal/observed"
)

// grant gives the role what it needs, for whoever may: the instance may not.
func grant(acl string) string {
	return fmt.Sprintf(`aws iam put-role-policy --role-name ROLE --policy-name reconciler --policy-document `+
		`"$(sed 's/REGION/eu-central-1/; s/ACCOUNT/111122223333/; s/ACL"/%s"/' /usr/share/doc/reconciler/examples/reconciler-policy.json)"`, acl)
}

// cloudMend gives what mends a read of an ACL that failed, by what its
// explained error is.
func (e *examination) cloudMend(explained error, acl string) string {
	switch {
	case errors.Is(explained, observed.ErrACLNotFound), errors.Is(explained, observed.ErrNoSubnetACL):
		return "aws ec2 describe-network-acls --query 'NetworkAcls[].NetworkAclId'; " + e.edit()
	case errors.Is(explained, apply.ErrThrottled):
		return "sleep 60; reconciler doctor"
	case unreachable(explained):
		return `curl -sS -m 5 -o /dev/null "${AWS_ENDPOINT_URL:-https://ec2.${AWS_REGION:-eu-central-1}.amazonaws.com}" # a route, a security group, a proxy or a VPC endpoint is missing`
	case errors.Is(explained, apply.ErrDenied), apply.Code(explained) == "": // or nobody has given it credentials
		return grant(acl)
	}
	return "reconciler doctor"
}

// unreachable says that no answer came at all.
func unreachable(err error) bool {
	_, sending := errors.AsType[*smithyhttp.RequestSendError](err)
	return sending || errors.Is(err, context.DeadlineExceeded)
}
