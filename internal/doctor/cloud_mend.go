package doctor

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	smithyhttp "github.com/aws/smithy-go/transport/http"

	"reconciler/internal/apply"
	"reconciler/internal/config"
	"reconciler/internal/observed"
)

// identity is what is known of this instance, asked for once and when first needed.
func (e *examination) identity() observed.Identity {
	if e.self == nil {
		id := observed.Identity{}
		if e.OnEC2 || e.Config.NACL[0] == config.NACLAuto {
			id = observed.ReadIdentity(e.ctx, e.Metadata)
		}
		e.self = &id
	}
	return *e.self
}

// aws gives a command of the AWS CLI for this instance's region, if that is known.
func (e *examination) aws(command string) string {
	if region := e.identity().Region; region != "" {
		return "aws " + command + " --region " + region
	}
	return "aws " + command
}

// grant gives the role what it needs, for whoever may: the instance may not. What
// is not known of it the shell asks for.
func (e *examination) grant(acl string) string {
	id := e.identity()
	region := cmp.Or(id.Region, "$(aws configure get region)")
	account := cmp.Or(id.Account, "$(aws sts get-caller-identity --query Account --output text)")
	if id.Role == "" {
		return e.attach()
	}
	return fmt.Sprintf(`aws iam put-role-policy --role-name %s --policy-name reconciler --policy-document `+
		`"$(sed "s/REGION/%s/; s/ACCOUNT/%s/; s/ACL\"/%s\"/" /usr/share/doc/reconciler/examples/reconciler-policy.json)"`, id.Role, region, account, acl)
}

// attach gives this instance a role.
func (e *examination) attach() string {
	instance := cmp.Or(e.identity().Instance, "$(ec2-metadata --instance-id | cut -d' ' -f2)")
	return e.aws(`ec2 associate-iam-instance-profile --iam-instance-profile Name="$PROFILE" --instance-id `+instance) +
		` # PROFILE: one whose role has the rights of /usr/share/doc/reconciler/examples/reconciler-policy.json`
}

// cloudMend gives what mends a read of an ACL that failed, by what its
// explained error is.
func (e *examination) cloudMend(explained error, acl string) string {
	switch {
	case errors.Is(explained, observed.ErrACLNotFound), errors.Is(explained, observed.ErrNoSubnetACL):
		return e.aws("ec2 describe-network-acls --query 'NetworkAcls[].NetworkAclId'") + "; " + e.edit()
	case errors.Is(explained, apply.ErrThrottled):
		return "sleep 60; reconciler doctor"
	case unreachable(explained):
		region := cmp.Or(e.identity().Region, "$AWS_REGION")
		return `curl -sS -m 5 -o /dev/null "${AWS_ENDPOINT_URL:-https://ec2.` + region + `.amazonaws.com}" # a route, a security group, a proxy or a VPC endpoint is missing`
	case errors.Is(explained, observed.ErrNoCredentials):
		return e.attach()
	case apply.Unpermitted(explained), apply.Code(explained) == "":
		return e.grant(acl)
	case errors.Is(explained, apply.ErrDenied): // the credentials or the clock are wrong
		return "aws sts get-caller-identity; timedatectl"
	}
	return "reconciler doctor"
}

// unreachable says that no answer came at all.
func unreachable(err error) bool {
	_, sending := errors.AsType[*smithyhttp.RequestSendError](err)
	return sending || errors.Is(err, context.DeadlineExceeded)
}
