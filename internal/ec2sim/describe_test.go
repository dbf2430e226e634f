package ec2sim

import (
	"fmt"
	"slices"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

func filterOf(name string, values ...string) types.Filter {
	return types.Filter{Name: aws.String(name), Values: values}
}

// list gives the ACLs that match the filters.
func (x *site) list(t *testing.T, filters ...types.Filter) []string {
	t.Helper()
	out, err := x.ec2.DescribeNetworkAcls(t.Context(), &ec2.DescribeNetworkAclsInput{Filters: filters})
	wantOK(t, err)
	var ids []string
	for _, a := range out.NetworkAcls {
		ids = append(ids, *a.NetworkAclId)
	}
	return ids
}

func TestFiltersPickACLs(t *testing.T) {
	x := newSite(t, Options{})
	subnetID := x.SubnetsOf(x.acl)[0]
	other := x.AddACL(x.VPCOf(x.acl))
	entry := inboundDeny(3, "203.0.113.0/24")
	entry.Protocol, entry.Ports = "6", PortRange{22, 80}
	wantOK(t, x.PutEntry(other, entry))
	icmp := inboundDeny(4, "2001:db8::/64")
	icmp.Protocol, icmp.ICMP = "58", ICMP{128, 3}
	wantOK(t, x.PutEntry(other, icmp))
	_, err := x.ec2.CreateTags(t.Context(), &ec2.CreateTagsInput{
		Resources: []string{other}, Tags: []types.Tag{{Key: aws.String("owner"), Value: aws.String("team*a")}},
	})
	wantOK(t, err)
	association := x.present().Subnets[subnetID].AssociationID
	stock, added, both := []string{x.acl}, []string{other}, []string{x.acl, other}
	slices.Sort(both)
	cases := []struct {
		filter types.Filter
		want   []string
	}{
		{filterOf("association.subnet-id", subnetID), stock},
		{filterOf("association.subnet-id", "subnet-01234567"), nil},
		{filterOf("association.association-id", association), stock},
		{filterOf("association.network-acl-id", x.acl, other), stock},
		{filterOf("network-acl-id", "acl-*"), both},
		{filterOf("vpc-id", x.VPCOf(x.acl)), both},
		{filterOf("default", "true"), stock},
		{filterOf("default", "false"), added},
		{filterOf("owner-id", account), both},
		{filterOf("entry.cidr", "203.0.113.0/??"), added},
		{filterOf("entry.ipv6-cidr", "2001:db8::/64"), added},
		{filterOf("entry.protocol", "tcp"), added},
		{filterOf("entry.protocol", "58"), added},
		{filterOf("entry.port-range.from", "22"), added},
		{filterOf("entry.port-range.to", "22"), nil},
		{filterOf("entry.icmp.type", "128"), added},
		{filterOf("entry.icmp.code", "3"), added},
		{filterOf("entry.rule-number", "100"), stock},
		{filterOf("entry.rule-action", "allow"), stock},
		{filterOf("entry.egress", "true"), both},
		{filterOf("tag-key", "owner"), added},
		{filterOf("tag:owner", `team\*a`), added},
		{filterOf("tag:owner", `team\*b`, "Team*"), nil},
	}
	for _, c := range cases {
		if got := x.list(t, c.filter); !slices.Equal(got, c.want) {
			t.Errorf("filter %s=%v picks %v, want %v", *c.filter.Name, c.filter.Values, got, c.want)
		}
	}
	if got := x.list(t, filterOf("default", "true"), filterOf("tag-key", "owner")); got != nil {
		t.Errorf("filters must hold together, got %v", got)
	}
}

func TestBadFiltersAreRefused(t *testing.T) {
	x := newSite(t, Options{})
	for body, code := range map[string]string{
		"&Filter.1.Name=colour&Filter.1.Value.1=red": codeValue,
		"&Filter.1.Name=vpc-id":                      codeValue,
		"&Filter.1.Value.1=x":                        codeMissing,
		"&Filter.1.Name=tag:&Filter.1.Value.1=x":     codeValue,
		"&Filter.2.Name=vpc-id&Filter.2.Value.1=x":   codeUnknown,
		"&NetworkAclId.1=acl-1":                      "InvalidNetworkAclID.Malformed",
		"&NetworkAclId.1=acl-01234567":               codeACLNotFound,
		"&NetworkAclId.2=acl-01234567":               codeUnknown,
	} {
		got, status := x.post(t, "Action=DescribeNetworkAcls&Version=2016-11-15"+body, nil)
		if got != code || status != 400 {
			t.Errorf("%s: answered %s with status %d, want %s", body, got, status, code)
		}
	}
}

func TestPagesCoverEverythingOnce(t *testing.T) {
	x := newSite(t, Options{})
	for range 11 {
		x.AddACL(x.VPCOf(x.acl))
	}
	var ids []string
	pages := 0
	p := ec2.NewDescribeNetworkAclsPaginator(x.ec2, &ec2.DescribeNetworkAclsInput{MaxResults: aws.Int32(5)})
	for p.HasMorePages() {
		page, err := p.NextPage(t.Context())
		wantOK(t, err)
		pages++
		for _, a := range page.NetworkAcls {
			ids = append(ids, *a.NetworkAclId)
		}
	}
	slices.Sort(ids)
	if !slices.Equal(ids, x.ACLs()) || pages != 3 {
		t.Errorf("%d pages hold %v, want %v", pages, ids, x.ACLs())
	}
}

func TestPagesCanBeShorterThanAskedFor(t *testing.T) {
	x := newSite(t, Options{PageSize: 1})
	x.AddACL(x.VPCOf(x.acl))
	out, err := x.ec2.DescribeNetworkAcls(t.Context(), &ec2.DescribeNetworkAclsInput{})
	wantOK(t, err)
	if len(out.NetworkAcls) != 1 || out.NextToken == nil {
		t.Errorf("the page holds %d ACLs and the token %v, want 1 and some", len(out.NetworkAcls), out.NextToken)
	}
}

func TestPagingIsHeldToItsRules(t *testing.T) {
	x := newSite(t, Options{PageSize: 1})
	x.AddACL(x.VPCOf(x.acl))
	first, err := x.ec2.DescribeNetworkAcls(t.Context(), &ec2.DescribeNetworkAclsInput{MaxResults: aws.Int32(5)})
	wantOK(t, err)
	cases := []struct {
		name string
		in   ec2.DescribeNetworkAclsInput
		code string
	}{
		{"too few", ec2.DescribeNetworkAclsInput{MaxResults: aws.Int32(4)}, codeValue},
		{"too many", ec2.DescribeNetworkAclsInput{MaxResults: aws.Int32(1001)}, codeValue},
		{"ids and a page size", ec2.DescribeNetworkAclsInput{MaxResults: aws.Int32(5), NetworkAclIds: []string{x.acl}}, codeCombination},
		{"ids and a token", ec2.DescribeNetworkAclsInput{NextToken: first.NextToken, NetworkAclIds: []string{x.acl}}, codeCombination},
		{"a made-up token", ec2.DescribeNetworkAclsInput{NextToken: aws.String("abc")}, codePagination},
		{"another query's token", ec2.DescribeNetworkAclsInput{
			NextToken: first.NextToken, Filters: []types.Filter{filterOf("default", "true")},
		}, codePagination},
		{"the token as given", ec2.DescribeNetworkAclsInput{NextToken: first.NextToken, MaxResults: aws.Int32(5)}, ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			_, err := x.ec2.DescribeNetworkAcls(t.Context(), &c.in)
			if code, _ := codeOf(err); code != c.code {
				t.Errorf("answered %q, want %q", code, c.code)
			}
		})
	}
}

func TestEntriesComeInNoPromisedOrder(t *testing.T) {
	x := newSite(t, Options{})
	orders := map[string]bool{}
	for range 20 {
		out, err := x.ec2.DescribeNetworkAcls(t.Context(), &ec2.DescribeNetworkAclsInput{})
		wantOK(t, err)
		order := ""
		for _, e := range out.NetworkAcls[0].Entries {
			order += fmt.Sprint(*e.RuleNumber, " ")
		}
		orders[order] = true
	}
	if len(orders) < 2 {
		t.Errorf("20 answers came in one order, so a caller that leans on it would not be caught")
	}
}

func TestTheOtherDescribesShowTheSite(t *testing.T) {
	x := newSite(t, Options{})
	vpcs, err := x.ec2.DescribeVpcs(t.Context(), &ec2.DescribeVpcsInput{VpcIds: []string{x.VPCOf(x.acl)}})
	wantOK(t, err)
	if v := vpcs.Vpcs[0]; *v.CidrBlock != "10.0.0.0/16" || *v.Ipv6CidrBlockAssociationSet[0].Ipv6CidrBlock != "fd00:ec2:0:100::/56" {
		t.Errorf("the VPC is %+v", v)
	}
	subnets, err := x.ec2.DescribeSubnets(t.Context(), &ec2.DescribeSubnetsInput{Filters: []types.Filter{filterOf("vpc-id", x.VPCOf(x.acl))}})
	wantOK(t, err)
	if s := subnets.Subnets[0]; *s.SubnetId != x.SubnetsOf(x.acl)[0] || *s.CidrBlock != "10.0.1.0/24" {
		t.Errorf("the subnet is %+v", s)
	}
	devices, err := x.ec2.DescribeNetworkInterfaces(t.Context(), &ec2.DescribeNetworkInterfacesInput{
		Filters: []types.Filter{filterOf("private-ip-address", "10.0.1.10")},
	})
	wantOK(t, err)
	if n := devices.NetworkInterfaces[0]; *n.Association.PublicIp != "198.51.100.10" || *n.Ipv6Addresses[0].Ipv6Address != "fd00:ec2:0:101::a" {
		t.Errorf("the interface is %+v", n)
	}
	_, err = x.ec2.DescribeSubnets(t.Context(), &ec2.DescribeSubnetsInput{SubnetIds: []string{"subnet-01234567"}})
	wantCode(t, err, "InvalidSubnetID.NotFound", 400)
}

func TestWildcardsMatchTheWholeValue(t *testing.T) {
	cases := []struct {
		pattern, value string
		want           bool
	}{
		{"", "", true},
		{"", "a", false},
		{"*", "", true},
		{"a*", "abc", true},
		{"*c", "abc", true},
		{"a*c*", "abcd", true},
		{"a?c", "abc", true},
		{"a?", "a", false},
		{`a\*`, "a*", true},
		{`a\*`, "ab", false},
		{`\`, `\`, true},
		{"*a*a*b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", false},
		{"abc", "ab", false},
		{"ab", "abc", false},
	}
	for _, c := range cases {
		if got := wildcard(c.pattern, c.value); got != c.want {
			t.Errorf("wildcard(%q, %q) is %v, want %v", c.pattern, c.value, got, c.want)
		}
	}
}
