package ec2sim_test

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"reconciler/internal/ec2sim"
)

// A lost answer: the entry is there, the caller is not told, and the same call
// again succeeds without a change.
func ExampleServer_Inject() {
	s := ec2sim.New(ec2sim.Options{})
	aclID := s.Bastion()
	client := s.LocalClient()
	create := func() error {
		_, err := client.CreateNetworkAclEntry(context.Background(), &ec2.CreateNetworkAclEntryInput{
			NetworkAclId: aws.String(aclID), RuleNumber: aws.Int32(1), Egress: aws.Bool(false),
			Protocol: aws.String("-1"), RuleAction: types.RuleActionDeny, CidrBlock: aws.String("203.0.113.7/32"),
		})
		return err
	}
	s.Inject(ec2sim.Fault{Kind: ec2sim.ResetAfter, Action: "CreateNetworkAclEntry"})
	fmt.Println("first call failed:", create() != nil)
	fmt.Println("rule 1:", s.Entries(aclID)[0].Prefix)
	fmt.Println("second call failed:", create() != nil)
	for _, c := range s.Writes() {
		fmt.Println(c.Action, "changed:", c.Changed)
	}
	// Output:
	// first call failed: true
	// rule 1: 203.0.113.7/32
	// second call failed: false
	// CreateNetworkAclEntry changed: true
	// CreateNetworkAclEntry changed: false
}
