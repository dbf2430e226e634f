package doctor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"reconciler/internal/apply"
	"reconciler/internal/config"
	"reconciler/internal/observed"
	"reconciler/internal/plan"
)

// subnets goes from the interfaces to their subnets and from there to the ACLs.
func (e *examination) subnets() {
	if slices.Contains(e.Config.NACL, config.NACLNone) {
		e.ok("network ACL", "nacl: none asks for none; the host alone enforces the bans")
		return
	}
	var metadata observed.Metadata
	var err error
	auto := e.Config.NACL[0] == config.NACLAuto
	if auto || e.OnEC2 {
		if metadata, err = observed.ReadMetadata(e.ctx, e.Metadata); err != nil {
			if !e.OnEC2 {
				e.warn("metadata", e.edit()+" # nacl", "this machine is not on EC2: the host alone enforces the bans unless nacl names an ACL")
				return
			}
			e.fail("metadata", `aws ec2 modify-instance-metadata-options --http-tokens required --http-endpoint enabled --http-put-response-hop-limit 2 --instance-id "$INSTANCE" # of this host`,
				"%v", err)
		} else {
			e.ok("metadata", "this instance has interfaces in: %s", strings.Join(metadata.Subnets, ", "))
		}
	}
	if auto && err != nil {
		return
	}
	if e.api, err = e.Connect(e.ctx); err != nil {
		e.fail("AWS", "systemctl edit reconciler # [Service], and below it Environment=AWS_REGION= with the region of the VPC", "%v", err)
		return
	}
	e.discover(auto, metadata.Subnets)
}

func (e *examination) discover(auto bool, subnets []string) {
	if !auto {
		e.acls = e.Config.NACL
		return
	}
	found, err := observed.DiscoverACLs(e.ctx, e.api, subnets, e.Now())
	if err != nil {
		explained := apply.Explain(err, "ec2:DescribeNetworkAcls")
		e.fail("network ACL", e.cloudMend(explained, "*"), "%v", explained)
		return
	}
	for _, a := range found {
		e.acls = append(e.acls, a.ID)
	}
	e.ok("network ACL", "the subnets' ACLs are: %s", strings.Join(e.acls, ", "))
}

// permissions tries what the daemon needs: the read for real, the writes by dry
// run, which never writes (EC2 API reference, "DryRun").
func (e *examination) permissions() {
	for _, id := range e.acls {
		acl, err := observed.ReadACL(e.ctx, e.api, id, e.Now())
		if err != nil {
			explained := apply.Explain(err, "ec2:DescribeNetworkAcls")
			e.fail("describe", e.cloudMend(explained, id), "%v", explained)
			continue
		}
		e.ok("describe", "%s can be read: %d inbound rules", id, len(acl.Entries))
		e.dryRuns(acl)
	}
}

// example is an address of documentation (RFC 5737): a dry run needs some.
const example = "192.0.2.1/32"

func (e *examination) dryRuns(acl observed.ACL) {
	number := aws.Int32(int32(e.Config.Rules.First)) // rule numbers end at 32766
	id, dry, in := aws.String(acl.ID), aws.Bool(true), aws.Bool(false)
	tries := []struct {
		name, permission string
		call             func(context.Context) error
	}{
		{"create", "ec2:CreateNetworkAclEntry", func(ctx context.Context) error {
			_, err := e.api.CreateNetworkAclEntry(ctx, &ec2.CreateNetworkAclEntryInput{
				DryRun: dry, NetworkAclId: id, RuleNumber: number, Egress: in,
				Protocol: aws.String(observed.ProtocolAll), RuleAction: types.RuleActionDeny, CidrBlock: aws.String(example),
			})
			return err
		}},
		{"replace", "ec2:ReplaceNetworkAclEntry", func(ctx context.Context) error {
			_, err := e.api.ReplaceNetworkAclEntry(ctx, &ec2.ReplaceNetworkAclEntryInput{
				DryRun: dry, NetworkAclId: id, RuleNumber: number, Egress: in,
				Protocol: aws.String(observed.ProtocolAll), RuleAction: types.RuleActionDeny, CidrBlock: aws.String(example),
			})
			return err
		}},
		{"delete", "ec2:DeleteNetworkAclEntry", func(ctx context.Context) error {
			_, err := e.api.DeleteNetworkAclEntry(ctx, &ec2.DeleteNetworkAclEntryInput{DryRun: dry, NetworkAclId: id, RuleNumber: number, Egress: in})
			return err
		}},
	}
	for _, t := range tries {
		ctx, cancel := context.WithTimeout(e.ctx, observed.CallTimeout)
		e.permitted(t.name, t.permission, acl.ID, t.call(ctx))
		cancel()
	}
}

// permitted reads the answer of a dry run, which is always an error.
func (e *examination) permitted(name, permission, id string, err error) {
	explained := apply.Explain(err, permission)
	switch {
	case apply.Code(err) == "DryRunOperation":
		e.ok(name, "%s on %s would be allowed", permission, id)
	case err == nil: // no EC2 answers so; something else is at that address
		e.fail(name, "unset AWS_ENDPOINT_URL; reconciler doctor", "the endpoint took a dry run for a real call: it is not AWS")
	case errors.Is(explained, apply.ErrDenied):
		e.fail(name, e.cloudMend(explained, id), "%v", explained)
	case errors.Is(explained, apply.ErrConflict), errors.Is(explained, apply.ErrQuota):
		e.ok(name, "%s on %s got past the permissions", permission, id)
	default:
		e.warn(name, e.cloudMend(explained, id), "whether %s on %s is allowed is not known: %v", permission, id, explained)
	}
}

// owners looks whether a tag says that Terraform keeps the ACL, and how far the
// clocks are apart, which the same answer tells.
func (e *examination) owners() {
	for _, id := range e.acls {
		ctx, cancel := context.WithTimeout(e.ctx, observed.CallTimeout)
		out, err := e.api.DescribeNetworkAcls(ctx, &ec2.DescribeNetworkAclsInput{NetworkAclIds: []string{id}})
		cancel()
		if err != nil {
			continue // said already
		}
		for _, acl := range out.NetworkAcls {
			e.tags(id, acl.Tags, aws.ToBool(acl.IsDefault))
		}
		if skew, ok := awsmiddleware.GetAttemptSkew(out.ResultMetadata); ok {
			e.skew(skew)
		}
	}
}

func (e *examination) tags(id string, tags []types.Tag, isDefault bool) {
	for _, t := range tags {
		if observed.ManagedTag(t) {
			e.warn("owner", fmt.Sprintf("reconciler plan --rules %d-%d --nacl %s # then set rules: in the configuration", observed.CustomWindow.First, observed.CustomWindow.Last, id),
				"%s is %s", id, plan.ManagedText(e.Config.Rules))
			return
		}
		text := strings.ToLower(aws.ToString(t.Key) + " " + aws.ToString(t.Value))
		for _, owner := range []string{"terraform", "opentofu", "pulumi"} {
			if strings.Contains(text, owner) {
				e.warn("owner", fmt.Sprintf("grep -rn 'aws_network_acl\\|NetworkAcl' --include='*.tf' --include='*.ts' --include='*.py' . # in the code that makes %s: lifecycle { ignore_changes = [ingress] }, or aws_network_acl_rule resources", id),
					"the tag %s of %s says that %s keeps it: inline rules there would erase the bans", aws.ToString(t.Key), id, owner)
				return
			}
		}
	}
	if isDefault {
		e.ok("owner", "no tag of %s says that another tool keeps its rules; it is the default of its VPC, of which aws_default_network_acl in Terraform would own every rule", id)
		return
	}
	e.ok("owner", "no tag of %s says that another tool keeps its rules", id)
}
