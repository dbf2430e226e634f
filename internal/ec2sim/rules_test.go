package ec2sim

import (
	"slices"
	"strconv"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

// TestEntryParametersAreHeldToTheRules sends one change each to a good create
// and expects the refusal, and that nothing was written.
func TestEntryParametersAreHeldToTheRules(t *testing.T) {
	const missing, value, combination = codeMissing, codeValue, codeCombination
	cases := []struct {
		name    string
		changes []string
		code    string
	}{
		{"no ACL", []string{"NetworkAclId"}, missing},
		{"an empty ACL", []string{"NetworkAclId="}, missing},
		{"an ACL's id of the wrong form", []string{"NetworkAclId=acl-12"}, "InvalidNetworkAclID.Malformed"},
		{"the id of something else", []string{"NetworkAclId=vpc-01234567"}, "InvalidNetworkAclID.Malformed"},
		{"an unknown ACL", []string{"NetworkAclId=acl-01234567"}, codeACLNotFound},
		{"no number", []string{"RuleNumber"}, missing},
		{"number 0", []string{"RuleNumber=0"}, value},
		{"a negative number", []string{"RuleNumber=-1"}, value},
		{"the number of the IPv4 default", []string{"RuleNumber=32767"}, value},
		{"the number of the IPv6 default", []string{"RuleNumber=32768"}, value},
		{"a number with a zero before it", []string{"RuleNumber=07"}, value},
		{"a number that is none", []string{"RuleNumber=x"}, value},
		{"a number past 32 bits", []string{"RuleNumber=4294967303"}, value},
		{"no direction", []string{"Egress"}, missing},
		{"a direction in another spelling", []string{"Egress=False"}, value},
		{"no protocol", []string{"Protocol"}, missing},
		{"a protocol's name", []string{"Protocol=tcp"}, value},
		{"the word all", []string{"Protocol=all"}, value},
		{"protocol 256", []string{"Protocol=256"}, value},
		{"protocol -2", []string{"Protocol=-2"}, value},
		{"protocol 06", []string{"Protocol=06"}, value},
		{"no action", []string{"RuleAction"}, missing},
		{"an action in another spelling", []string{"RuleAction=DENY"}, value},
		{"no block", []string{"CidrBlock"}, missing},
		{"both blocks", []string{"Ipv6CidrBlock=2001:db8::/64"}, combination},
		{"an address without length", []string{"CidrBlock=203.0.113.7"}, value},
		{"a length past the family", []string{"CidrBlock=203.0.113.7/33"}, value},
		{"an empty block", []string{"CidrBlock="}, value},
		{"IPv6 with host bits", []string{"CidrBlock", "Ipv6CidrBlock=2001:db8::5/64"}, value},
		{"IPv6 in the IPv4 parameter", []string{"CidrBlock=2001:db8::/64"}, value},
		{"IPv4 in the IPv6 parameter", []string{"CidrBlock", "Ipv6CidrBlock=203.0.113.0/24"}, value},
		{"a mapped address", []string{"CidrBlock", "Ipv6CidrBlock=::ffff:203.0.113.7/128"}, value},
		{"a zone", []string{"CidrBlock", "Ipv6CidrBlock=fe80::1%eth0/64"}, value},
		{"TCP without ports", []string{"Protocol=6"}, missing},
		{"UDP without ports", []string{"Protocol=17"}, missing},
		{"half a range", []string{"Protocol=6", "PortRange.From=22"}, missing},
		{"a range the wrong way round", []string{"Protocol=6", "PortRange.From=23", "PortRange.To=22"}, value},
		{"port 65536", []string{"Protocol=17", "PortRange.From=0", "PortRange.To=65536"}, value},
		{"port -1", []string{"Protocol=6", "PortRange.From=-1", "PortRange.To=22"}, value},
		{"ports with all protocols", []string{"PortRange.From=0", "PortRange.To=0"}, combination},
		{"ports with protocol 47", []string{"Protocol=47", "PortRange.From=0", "PortRange.To=0"}, combination},
		{"ICMP without a type", []string{"Protocol=1"}, missing},
		{"ICMP without a code", []string{"Protocol=1", "Icmp.Type=8"}, missing},
		{"ICMPv6 without a type", []string{"Protocol=58"}, missing},
		{"ICMP type 256", []string{"Protocol=1", "Icmp.Type=256", "Icmp.Code=0"}, value},
		{"all ICMP types and one code", []string{"Protocol=1", "Icmp.Type=-1", "Icmp.Code=0"}, value},
		{"an ICMP type with TCP", []string{"Protocol=6", "PortRange.From=1", "PortRange.To=1", "Icmp.Type=8", "Icmp.Code=0"}, combination},
		{"a parameter nobody knows", []string{"Colour=red"}, codeUnknown},
		{"a dry run in another spelling", []string{"DryRun=1"}, value},
	}
	for _, action := range []string{"CreateNetworkAclEntry", "ReplaceNetworkAclEntry"} {
		for _, c := range cases {
			t.Run(action+" with "+c.name, func(t *testing.T) {
				x := newSite(t, Options{})
				before := x.Entries(x.acl)
				code, status := x.post(t, x.form(action, c.changes...), nil)
				if code != c.code || status != 400 {
					t.Errorf("answered %s with status %d, want %s with 400", code, status, c.code)
				}
				if !slices.Equal(before, x.Entries(x.acl)) {
					t.Errorf("a refused call changed the ACL")
				}
			})
		}
	}
}

func TestEntriesAreStoredAsGiven(t *testing.T) {
	x := newSite(t, Options{})
	in := x.deny(3, "203.0.113.77/28")
	in.Protocol, in.PortRange = aws.String("6"), &types.PortRange{From: aws.Int32(22), To: aws.Int32(22)}
	_, err := x.ec2.CreateNetworkAclEntry(t.Context(), in)
	wantOK(t, err)
	in = x.deny(4, "2001:db8::/64")
	in.Protocol, in.IcmpTypeCode = aws.String("58"), &types.IcmpTypeCode{Type: aws.Int32(128), Code: aws.Int32(-1)}
	in.Egress, in.RuleAction = aws.Bool(true), types.RuleActionAllow
	_, err = x.ec2.CreateNetworkAclEntry(t.Context(), in)
	wantOK(t, err)

	want := inboundDeny(3, "203.0.113.64/28")
	want.Protocol, want.Ports = "6", PortRange{22, 22}
	if got, _ := x.at(3); got != want {
		t.Errorf("rule 3 is %+v, want %+v: the host bits must be masked", got, want)
	}
	want = inboundDeny(4, "2001:db8::/64")
	want.Protocol, want.ICMP, want.Egress, want.Allow = "58", ICMP{128, -1}, true, true
	if !slices.Contains(x.Entries(x.acl), want) {
		t.Errorf("the egress side lacks %+v", want)
	}
	out, err := x.ec2.DescribeNetworkAcls(t.Context(), &ec2.DescribeNetworkAclsInput{NetworkAclIds: []string{x.acl}})
	wantOK(t, err)
	for _, e := range out.NetworkAcls[0].Entries {
		switch *e.RuleNumber {
		case 3:
			if *e.Protocol != "6" || *e.PortRange.From != 22 || *e.CidrBlock != "203.0.113.64/28" || e.IcmpTypeCode != nil {
				t.Errorf("rule 3 is described as %+v", e)
			}
		case 4:
			if *e.IcmpTypeCode.Type != 128 || *e.Ipv6CidrBlock != "2001:db8::/64" || e.CidrBlock != nil || e.PortRange != nil {
				t.Errorf("rule 4 is described as %+v", e)
			}
		case DefaultRuleIPv4, DefaultRuleIPv6, 100, 101:
			if e.PortRange != nil || *e.Protocol != "-1" {
				t.Errorf("rule %d is described as %+v", *e.RuleNumber, e)
			}
		}
	}
}

func TestCreateIsACompareAndSet(t *testing.T) {
	x := newSite(t, Options{})
	x.create(t, 5, "203.0.113.7/32")
	x.create(t, 5, "203.0.113.7/32")
	if c := x.Calls(); !c[0].Changed || c[1].Changed || c[1].Status != 200 {
		t.Errorf("an identical create must succeed and change nothing, got %+v", c)
	}
	_, err := x.ec2.CreateNetworkAclEntry(t.Context(), x.deny(5, "203.0.113.8/32"))
	wantCode(t, err, codeEntryExists, 400)
	_, err = x.ec2.CreateNetworkAclEntry(t.Context(), x.deny(5, "2001:db8::/64"))
	wantCode(t, err, codeEntryExists, 400)
	if e, _ := x.at(5); e != inboundDeny(5, "203.0.113.7/32") {
		t.Errorf("rule 5 became %+v", e)
	}
	in := x.deny(5, "203.0.113.8/32")
	in.Egress = aws.Bool(true)
	_, err = x.ec2.CreateNetworkAclEntry(t.Context(), in)
	wantOK(t, err)
}

func TestReplaceAndDeleteNeedTheEntry(t *testing.T) {
	x := newSite(t, Options{})
	_, err := x.ec2.ReplaceNetworkAclEntry(t.Context(), replaceOf(x.deny(5, "203.0.113.7/32")))
	wantCode(t, err, codeEntryNotFound, 400)
	wantCode(t, x.remove(t, 5), codeEntryNotFound, 400)
	x.create(t, 5, "203.0.113.7/32")
	_, err = x.ec2.ReplaceNetworkAclEntry(t.Context(), replaceOf(x.deny(5, "203.0.113.9/32")))
	wantOK(t, err)
	if e, _ := x.at(5); e != inboundDeny(5, "203.0.113.9/32") {
		t.Errorf("rule 5 is %+v after the replace", e)
	}
	_, err = x.ec2.ReplaceNetworkAclEntry(t.Context(), replaceOf(x.deny(5, "203.0.113.9/32")))
	wantOK(t, err)
	if c := x.Calls(); !c[len(c)-2].Changed || c[len(c)-1].Changed {
		t.Errorf("the first replace changes the ACL and the second does not, recorded %+v", c)
	}
	wantOK(t, x.remove(t, 5))
	if _, found := x.at(5); found {
		t.Errorf("rule 5 is still there after the delete")
	}
}

func TestDefaultDeniesCannotBeTouched(t *testing.T) {
	x := newSite(t, Options{})
	for _, n := range []int32{DefaultRuleIPv4, DefaultRuleIPv6} {
		wantCode(t, x.remove(t, n), codeValue, 400)
		_, err := x.ec2.ReplaceNetworkAclEntry(t.Context(), replaceOf(x.deny(n, "0.0.0.0/0")))
		wantCode(t, err, codeValue, 400)
		if err := x.RemoveEntry(x.acl, false, int(n)); err == nil {
			t.Errorf("RemoveEntry took rule %d away", n)
		}
	}
}

func TestQuotaCountsPerDirectionAndFamilyWithTheDefaultDeny(t *testing.T) {
	x := newSite(t, Options{})
	for n := range int32(18) {
		x.create(t, 1+n, "203.0.113.7/32")
		x.create(t, 31+n, "2001:db8::/64")
	}
	for _, cidr := range []string{"198.51.100.1/32", "2001:db8:1::/64"} {
		_, err := x.ec2.CreateNetworkAclEntry(t.Context(), x.deny(90, cidr))
		wantCode(t, err, codeEntryLimit, 400)
	}
	x.create(t, 1, "203.0.113.7/32") // identical: no room needed
	out := x.deny(90, "198.51.100.1/32")
	out.Egress = aws.Bool(true)
	_, err := x.ec2.CreateNetworkAclEntry(t.Context(), out)
	wantOK(t, err)
	// Within its family a replace fits, across families it does not.
	_, err = x.ec2.ReplaceNetworkAclEntry(t.Context(), replaceOf(x.deny(1, "198.51.100.1/32")))
	wantOK(t, err)
	_, err = x.ec2.ReplaceNetworkAclEntry(t.Context(), replaceOf(x.deny(1, "2001:db8:1::/64")))
	wantCode(t, err, codeEntryLimit, 400)
	wantOK(t, x.remove(t, 31))
	_, err = x.ec2.ReplaceNetworkAclEntry(t.Context(), replaceOf(x.deny(1, "2001:db8:1::/64")))
	wantOK(t, err)
	x.create(t, 31, "198.51.100.1/32")
}

func TestALoweredQuotaKeepsEntriesAndTakesNoMore(t *testing.T) {
	x := newSite(t, Options{Quota: 40})
	for n := range int32(30) {
		x.create(t, 1+n, "203.0.113."+strconv.Itoa(int(n))+"/32")
	}
	x.SetQuota(20)
	if got := len(x.described(t)); got != 30 {
		t.Errorf("%d entries are left of 30", got)
	}
	_, err := x.ec2.CreateNetworkAclEntry(t.Context(), x.deny(90, "198.51.100.1/32"))
	wantCode(t, err, codeEntryLimit, 400)
	_, err = x.ec2.ReplaceNetworkAclEntry(t.Context(), replaceOf(x.deny(1, "198.51.100.1/32")))
	wantOK(t, err)
	if err := x.PutEntry(x.acl, inboundDeny(90, "198.51.100.1/32")); err == nil {
		t.Errorf("PutEntry went past the quota")
	}
	wantOK(t, x.ForceEntry(x.acl, inboundDeny(90, "198.51.100.1/32")))
}

func TestIPv6DefaultIsThereOnlyWithAnIPv6Block(t *testing.T) {
	s := New(Options{})
	vpcID, aclID := s.AddVPC(inboundDeny(1, "10.0.0.0/16").Prefix, Entry{}.Prefix)
	other := s.AddACL(vpcID)
	if got := len(s.Entries(aclID)); got != 4 {
		t.Errorf("an IPv4 default ACL has %d entries, want 4", got)
	}
	s.AddIPv6(vpcID, inboundDeny(1, "fd00::/56").Prefix)
	if got := len(s.Entries(aclID)); got != 8 {
		t.Errorf("with IPv6 the default ACL has %d entries, want 8", got)
	}
	if got := s.Entries(other); len(got) != 4 || got[1].Number != DefaultRuleIPv6 {
		t.Errorf("with IPv6 another ACL has %+v", got)
	}
}
