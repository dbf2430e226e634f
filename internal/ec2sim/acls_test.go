package ec2sim

import (
	"net/netip"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

func TestTagsAreKeptFoundAndRemoved(t *testing.T) {
	x := newSite(t, Options{})
	tag := func(k, v string) types.Tag { return types.Tag{Key: aws.String(k), Value: aws.String(v)} }
	create := func(tags ...types.Tag) error {
		_, err := x.ec2.CreateTags(t.Context(), &ec2.CreateTagsInput{Resources: []string{x.acl}, Tags: tags})
		return err
	}
	wantOK(t, create(tag("a", "1"), tag("b", "2")))
	wantCode(t, create(tag("aws:x", "1")), codeValue, 400)
	_, err := x.ec2.DeleteTags(t.Context(), &ec2.DeleteTagsInput{Resources: []string{x.acl}, Tags: []types.Tag{tag("a", "9"), {Key: aws.String("b")}}})
	wantOK(t, err)
	out, err := x.ec2.DescribeTags(t.Context(), &ec2.DescribeTagsInput{Filters: []types.Filter{filterOf("resource-id", x.acl)}})
	wantOK(t, err)
	if len(out.Tags) != 1 || *out.Tags[0].Key != "a" || out.Tags[0].ResourceType != types.ResourceTypeNetworkAcl {
		t.Errorf("the tags are %+v, want a alone: another value must not remove it", out.Tags)
	}
	_, err = x.ec2.CreateTags(t.Context(), &ec2.CreateTagsInput{Resources: []string{"acl-01234567"}, Tags: []types.Tag{tag("a", "1")}})
	wantCode(t, err, codeACLNotFound, 400)
	var many []types.Tag
	for n := range 50 {
		many = append(many, tag("key"+string(rune('A'+n)), ""))
	}
	wantCode(t, create(many...), codeTagLimit, 400)
}

func TestACLsAreMadeAssociatedAndRemoved(t *testing.T) {
	x := newSite(t, Options{})
	out, err := x.ec2.CreateNetworkAcl(t.Context(), &ec2.CreateNetworkAclInput{VpcId: aws.String(x.VPCOf(x.acl))})
	wantOK(t, err)
	fresh := *out.NetworkAcl.NetworkAclId
	if len(out.NetworkAcl.Entries) != 4 || *out.NetworkAcl.IsDefault {
		t.Errorf("a new ACL is %+v, want the four default denies alone", out.NetworkAcl)
	}
	association := x.present().Subnets[x.SubnetsOf(x.acl)[0]].AssociationID
	moved, err := x.ec2.ReplaceNetworkAclAssociation(t.Context(), &ec2.ReplaceNetworkAclAssociationInput{
		AssociationId: aws.String(association), NetworkAclId: aws.String(fresh),
	})
	wantOK(t, err)
	if *moved.NewAssociationId == association || len(x.SubnetsOf(fresh)) != 1 || len(x.SubnetsOf(x.acl)) != 0 {
		t.Errorf("the subnet did not move: %v", x.SubnetsOf(fresh))
	}
	_, err = x.ec2.ReplaceNetworkAclAssociation(t.Context(), &ec2.ReplaceNetworkAclAssociationInput{
		AssociationId: aws.String(association), NetworkAclId: aws.String(fresh),
	})
	wantCode(t, err, codeNoAssociation, 400)
	remove := func(id string) error {
		_, err := x.ec2.DeleteNetworkAcl(t.Context(), &ec2.DeleteNetworkAclInput{NetworkAclId: aws.String(id)})
		return err
	}
	wantCode(t, remove(fresh), codeDependency, 400)
	wantCode(t, remove(x.acl), codeValue, 400)
	wantOK(t, x.Associate(x.SubnetsOf(fresh)[0], x.acl))
	wantOK(t, remove(fresh))
	wantCode(t, remove(fresh), codeACLNotFound, 400)
	vpcID, _ := x.AddVPC(netip.MustParsePrefix("10.9.0.0/16"), netip.Prefix{})
	if err := x.Associate(x.SubnetsOf(x.acl)[0], x.AddACL(vpcID)); err == nil {
		t.Errorf("a subnet went under another VPC's ACL")
	}
}
