package observed

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

// pages answers with one page a call, whatever is asked for.
type pages [][]types.NetworkAcl

func (p pages) DescribeNetworkAcls(_ context.Context, in *ec2.DescribeNetworkAclsInput, _ ...func(*ec2.Options)) (*ec2.DescribeNetworkAclsOutput, error) {
	at := 0
	if in.NextToken != nil {
		at = int((*in.NextToken)[0] - '0')
	}
	out := &ec2.DescribeNetworkAclsOutput{NetworkAcls: p[at]}
	if at+1 < len(p) {
		out.NextToken = aws.String(string(rune('0' + at + 1)))
	}
	return out, nil
}

func rawACL(id string, subnets ...string) types.NetworkAcl {
	acl := types.NetworkAcl{NetworkAclId: &id}
	for _, s := range subnets {
		acl.Associations = append(acl.Associations, types.NetworkAclAssociation{SubnetId: aws.String(s)})
	}
	return acl
}

// A subnet that the answer leaves out is guarded by an ACL that we do not know:
// what the others hold is not the whole edge.
func TestAnAnswerThatLeavesASubnetOutIsAnErrorAndNotTheWhole(t *testing.T) {
	both := []string{"subnet-a", "subnet-b"}
	for _, c := range []struct {
		name   string
		answer pages
		found  int
		failed bool
	}{
		{"one ACL for both", pages{{rawACL("acl-1", "subnet-a", "subnet-b", "subnet-x")}}, 1, false},
		{"one for each", pages{{rawACL("acl-2", "subnet-b"), rawACL("acl-1", "subnet-a")}}, 2, false},
		{"one for each, on two pages", pages{{rawACL("acl-2", "subnet-b")}, {rawACL("acl-1", "subnet-a")}}, 2, false},
		{"the second is left out", pages{{rawACL("acl-1", "subnet-a")}}, 0, true},
		{"the first is left out", pages{{rawACL("acl-2", "subnet-b", "subnet-x")}}, 0, true},
		{"no ACL at all", pages{nil}, 0, true},
		{"an ACL of nothing", pages{{rawACL("acl-1")}}, 0, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			acls, err := DiscoverACLs(t.Context(), c.answer, both, time.Unix(1, 0))
			if errors.Is(err, ErrNoSubnetACL) != c.failed || (err != nil) != c.failed || len(acls) != c.found {
				t.Errorf("it found %v (%v)", acls, err)
			}
			if len(acls) == 2 && (acls[0].ID != "acl-1" || acls[0].Subnets[0] != "subnet-a") {
				t.Errorf("it found %+v", acls)
			}
		})
	}
}

func TestWithoutASubnetNoACLIsFound(t *testing.T) {
	acls, err := DiscoverACLs(t.Context(), pages{{rawACL("acl-1", "subnet-x")}}, nil, time.Unix(1, 0))
	if !errors.Is(err, ErrNoSubnetACL) || len(acls) > 0 {
		t.Errorf("it found %v (%v)", acls, err)
	}
}

func TestAnACLThatWasReadIsKnownToGuardNothing(t *testing.T) {
	acl, err := ReadACL(t.Context(), pages{{rawACL("acl-1")}}, "acl-1", time.Unix(1, 0))
	if err != nil || acl.Subnets == nil || len(acl.Subnets) != 0 {
		t.Errorf("it reads as %+v (%v)", acl, err)
	}
}

func TestTheTagOfFirewallManagerIsRead(t *testing.T) {
	for _, c := range []struct {
		key, value string
		managed    bool
	}{{"FMManaged", "true", true}, {"FMManaged", "", true}, {"FMManaged", "false", false}, {"Name", "FMManaged", false}} {
		raw := rawACL("acl-1")
		raw.Tags = []types.Tag{{Key: &c.key, Value: &c.value}}
		acl, err := ReadACL(t.Context(), pages{{raw}}, "acl-1", time.Unix(1, 0))
		if err != nil || acl.Managed != c.managed {
			t.Errorf("%s=%s: managed %t (%v)", c.key, c.value, acl.Managed, err)
		}
	}
}
