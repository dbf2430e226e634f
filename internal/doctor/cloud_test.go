package doctor

import (
	"context"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ec2"

	"reconciler/internal/controller"
)

func TestOneBadACLHidesNothingOfAGoodOne(t *testing.T) {
	w := newWard(t)
	w.tag("managed-by", "Terraform")
	w.patient.Config.NACL = []string{"acl-0123456789abcdef0", w.acl}
	found := w.examine()
	if !has(found, "owner", Warning, w.acl) || !has(found, "describe", Failure, "acl-0123456789abcdef0") || !has(found, "create", OK, w.acl) {
		t.Errorf("of a good ACL beside a bad one the doctor says:\n%s", text(t, found))
	}
	if mend := mendOf(found, "describe"); !strings.HasPrefix(mend, "aws ec2 describe-network-acls") {
		t.Errorf("the mend of an unknown ACL is %q", mend)
	}
}

func TestAnEC2ThatCannotBeReachedIsNoMatterOfRights(t *testing.T) {
	w := newWard(t)
	w.patient.Connect = func(context.Context) (controller.EC2, error) {
		return ec2.New(ec2.Options{
			Region: "eu-central-1", BaseEndpoint: aws.String("http://127.0.0.1:1"), Retryer: aws.NopRetryer{},
			Credentials: credentials.NewStaticCredentialsProvider("id", "secret", ""),
		}), nil
	}
	if mend := mendOf(w.examine(), "network ACL"); !strings.HasPrefix(mend, "curl ") {
		t.Errorf("the mend is %q", mend)
	}
}
