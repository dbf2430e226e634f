package observed

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

// CallTimeout is the longest that one EC2 call may take, retries included.
const CallTimeout = 10 * time.Second

// ErrACLNotFound is a Network ACL that the account and region do not have.
var ErrACLNotFound = errors.New("no such network ACL; check --nacl and the region")

// ErrNoSubnetACL is a subnet for which no Network ACL was listed.
var ErrNoSubnetACL = errors.New("no network ACL is listed for a subnet of this host")

// pageSize is the page that is asked for where the API lets us choose
// (DescribeNetworkAcls: MaxResults 5 to 1000).
const pageSize = 1000

// ReadACL describes one Network ACL.
func ReadACL(ctx context.Context, api ec2.DescribeNetworkAclsAPIClient, id string, now time.Time) (ACL, error) {
	found, err := describe(ctx, api, &ec2.DescribeNetworkAclsInput{NetworkAclIds: []string{id}})
	if err != nil {
		return ACL{}, fmt.Errorf("describing network ACL %s: %w", id, err)
	}
	for _, raw := range found {
		if aws.ToString(raw.NetworkAclId) == id {
			return aclOf(raw, now)
		}
	}
	return ACL{}, fmt.Errorf("describing network ACL %s: %w", id, ErrACLNotFound)
}

// DiscoverACLs describes the Network ACLs of the subnets, sorted by ID. Every
// subnet has exactly one; an answer that leaves a subnet out is an error, so
// that a partial answer is never taken for the whole.
func DiscoverACLs(ctx context.Context, api ec2.DescribeNetworkAclsAPIClient, subnets []string, now time.Time) ([]ACL, error) {
	if len(subnets) == 0 { // a filter without a value would not narrow the answer
		return nil, fmt.Errorf("the metadata names no subnet: %w", ErrNoSubnetACL)
	}
	found, err := describe(ctx, api, &ec2.DescribeNetworkAclsInput{
		MaxResults: aws.Int32(pageSize),
		Filters:    []types.Filter{{Name: aws.String("association.subnet-id"), Values: subnets}},
	})
	if err != nil {
		return nil, fmt.Errorf("describing the network ACLs of %s: %w", strings.Join(subnets, ", "), err)
	}
	var acls []ACL
	seen := map[string]bool{}
	for _, raw := range found {
		for _, a := range raw.Associations {
			seen[aws.ToString(a.SubnetId)] = true
		}
		acl, err := aclOf(raw, now)
		if err != nil {
			return nil, err
		}
		acls = append(acls, acl)
	}
	for _, subnet := range subnets {
		if !seen[subnet] {
			return nil, fmt.Errorf("subnet %s: %w", subnet, ErrNoSubnetACL)
		}
	}
	slices.SortFunc(acls, func(a, b ACL) int { return strings.Compare(a.ID, b.ID) })
	return acls, nil
}

// describe follows the pages of one request. Each page has its own deadline.
func describe(ctx context.Context, api ec2.DescribeNetworkAclsAPIClient, in *ec2.DescribeNetworkAclsInput) ([]types.NetworkAcl, error) {
	var all []types.NetworkAcl
	pages := ec2.NewDescribeNetworkAclsPaginator(api, in)
	for pages.HasMorePages() {
		page, err := nextPage(ctx, pages)
		if err != nil {
			return nil, err
		}
		all = append(all, page.NetworkAcls...)
	}
	return all, nil
}

func nextPage(ctx context.Context, pages *ec2.DescribeNetworkAclsPaginator) (*ec2.DescribeNetworkAclsOutput, error) {
	ctx, cancel := context.WithTimeout(ctx, CallTimeout)
	defer cancel()
	return pages.NextPage(ctx)
}

// aclOf keeps the inbound entries, sorted by number: the API promises no order.
func aclOf(raw types.NetworkAcl, now time.Time) (ACL, error) {
	acl := ACL{ID: aws.ToString(raw.NetworkAclId), Subnets: []string{}, ReadAt: now}
	for _, a := range raw.Associations {
		acl.Subnets = append(acl.Subnets, aws.ToString(a.SubnetId))
	}
	slices.Sort(acl.Subnets)
	acl.Managed = slices.ContainsFunc(raw.Tags, ManagedTag)
	for _, e := range raw.Entries {
		if aws.ToBool(e.Egress) {
			continue
		}
		entry, err := EntryOf(e)
		if err != nil {
			return ACL{}, fmt.Errorf("network ACL %s: %w", acl.ID, err)
		}
		acl.Entries = append(acl.Entries, entry)
	}
	slices.SortFunc(acl.Entries, func(a, b Entry) int { return a.Number - b.Number })
	return acl, nil
}

// ManagedTag reports whether a tag says that AWS Firewall Manager keeps an ACL.
func ManagedTag(t types.Tag) bool {
	return strings.EqualFold(aws.ToString(t.Key), "FMManaged") && !strings.EqualFold(aws.ToString(t.Value), "false")
}

// CustomWindow is where an ACL of Firewall Manager usually has room for rules
// that are not its policy's, whose own come first and last.
var CustomWindow = Window{First: 5000, Last: 7000}

// Errors of an entry that the EC2 API would never give.
var (
	errAction = errors.New("its action is neither allow nor deny")
	errPorts  = errors.New("its range of ports lacks an end")
)

// EntryOf translates one entry of the API. Prefixes are masked here as well,
// since both sides of a comparison must be. What cannot be understood is an
// error and no guess: a guess could be taken for a deny that enforces a ban.
func EntryOf(e types.NetworkAclEntry) (Entry, error) {
	number := aws.ToInt32(e.RuleNumber)
	cidr := aws.ToString(e.CidrBlock)
	if cidr == "" {
		cidr = aws.ToString(e.Ipv6CidrBlock)
	}
	prefix, err := netip.ParsePrefix(cidr)
	if err != nil {
		return Entry{}, fmt.Errorf("rule %d has the CIDR %q: %w", number, cidr, err)
	}
	if e.RuleAction != types.RuleActionAllow && e.RuleAction != types.RuleActionDeny {
		return Entry{}, fmt.Errorf("rule %d: %w: %q", number, errAction, e.RuleAction)
	}
	shape, err := shapeOf(e)
	if err != nil {
		return Entry{}, fmt.Errorf("rule %d: %w", number, err)
	}
	return Entry{Number: int(number), Prefix: prefix.Masked(), Allow: e.RuleAction == types.RuleActionAllow, Shape: shape}, nil
}

// shapeOf reads protocol and ports. Ports count with TCP and UDP alone, and a
// range that is absent leaves none out (EC2 API reference, NetworkAclEntry).
func shapeOf(e types.NetworkAclEntry) (Shape, error) {
	protocol, err := parseProtocol(aws.ToString(e.Protocol))
	if err != nil || e.PortRange == nil || protocol != ProtocolTCP && protocol != ProtocolUDP {
		return Shape{Protocol: protocol}, err
	}
	if e.PortRange.From == nil || e.PortRange.To == nil {
		return Shape{}, errPorts
	}
	return Shape{Protocol: protocol, Ports: NewPorts(int(*e.PortRange.From), int(*e.PortRange.To))}, nil
}
