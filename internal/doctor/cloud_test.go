package doctor

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ec2"

	"reconciler/internal/controller"
	"reconciler/internal/ec2sim"
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

func TestTheCommandsThatMendNameThisInstanceAndNothingInvented(t *testing.T) {
	for _, c := range []struct {
		name string
		harm func(w *ward)
	}{
		{"no permission to look", func(w *ward) { w.sim.Deny("DescribeNetworkAcls") }},
		{"no permission to create", func(w *ward) { w.sim.Deny("CreateNetworkAclEntry") }},
		{"an ACL that is not there", func(w *ward) { w.patient.Config.NACL = []string{"acl-0fedcba9876543210"} }},
		{"no EC2", func(w *ward) { w.patient.OnEC2 = false; w.sim.SetMetadata(ec2sim.MetadataOff) }},
		{"no metadata", func(w *ward) { w.sim.SetMetadata(ec2sim.MetadataOff) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWard(t)
			w.enforce()
			c.harm(w)
			for _, f := range w.examine() {
				for _, invented := range []string{"111122223333", "acl-0123456789abcdef0", "--role-name ROLE", "--instance-id ID", "acl-…"} {
					if strings.Contains(f.Mend, invented) {
						t.Errorf("%s invents %q: %s", f.Check, invented, f.Mend)
					}
				}
			}
		})
	}
	w := newWard(t)
	w.enforce()
	w.sim.Deny("CreateNetworkAclEntry")
	mend := mendOf(w.examine(), "create")
	for _, known := range []string{"--role-name bastion ", "s/REGION/eu-central-1/", "s/ACCOUNT/123456789012/", w.acl} {
		if !strings.Contains(mend, known) {
			t.Errorf("%q is known, and not in: %s", known, mend)
		}
	}
}

func TestMoreThanAWSGrantsIsNeverAdvised(t *testing.T) {
	w := newWard(t)
	w.patient.Config.Quota, w.patient.Config.Rules.Last = 40, 2
	for i := range int32(2) {
		w.entry(i+1, fmt.Sprintf("192.0.2.%d/32", i+1), false)
	}
	w.patient.Config.Quota = 40
	for _, f := range w.examine() {
		if strings.Contains(f.Mend, "service-quotas") {
			t.Errorf("with the quota at its most it advises: %s", f.Mend)
		}
	}
}

func TestAPauseIsMendedByAResume(t *testing.T) {
	w := newWard(t)
	w.write("/state/bans.jsonl", "{\"op\":\"pause\",\"time\":1700000000}\n")
	found := w.examine()
	if mend := mendOf(found, "bans"); mend != "reconciler resume" {
		t.Errorf("the mend of a pause is %q:\n%s", mend, text(t, found))
	}
	if mend := mendOf(found, "firewall"); mend != "" {
		t.Errorf("nothing is there because of the pause, and the mend of that is %q", mend)
	}
}
