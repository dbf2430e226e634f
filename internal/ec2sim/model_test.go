package ec2sim

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"pgregory.net/rapid"
)

// model is the inbound side of an ACL as a caller would think of it: prefixes
// by rule number.
type model struct {
	quota   int
	entries map[int]netip.Prefix
}

func (m model) room(p netip.Prefix) bool {
	n := 1
	for _, q := range m.entries {
		if q.Addr().Is4() == p.Addr().Is4() {
			n++
		}
	}
	return n < m.quota
}

func (m model) create(number int, p netip.Prefix) string {
	old, taken := m.entries[number]
	switch {
	case number < 1 || number > MaxRule:
		return codeValue
	case taken && old == p:
		return ""
	case taken:
		return codeEntryExists
	case !m.room(p):
		return codeEntryLimit
	}
	m.entries[number] = p
	return ""
}

func (m model) replace(number int, p netip.Prefix) string {
	old, taken := m.entries[number]
	switch {
	case number < 1 || number > MaxRule:
		return codeValue
	case !taken:
		return codeEntryNotFound
	case old.Addr().Is4() != p.Addr().Is4() && !m.room(p):
		return codeEntryLimit
	}
	m.entries[number] = p
	return ""
}

func (m model) delete(number int) string {
	if number < 1 || number > MaxRule {
		return codeValue
	}
	if _, taken := m.entries[number]; !taken {
		return codeEntryNotFound
	}
	delete(m.entries, number)
	return ""
}

// TestRandomCallsAgreeWithAModel drives the API with random calls, and after
// each one compares answer and ACL with the model, also through Describe.
func TestRandomCallsAgreeWithAModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		s := New(Options{Quota: rapid.IntRange(2, 6).Draw(rt, "quota")})
		vpcID, _ := s.AddVPC(netip.MustParsePrefix("10.0.0.0/16"), netip.MustParsePrefix("fd00::/56"))
		x := &site{Server: s, acl: s.AddACL(vpcID), ec2: s.LocalClient()}
		m := model{quota: s.Quota(), entries: map[int]netip.Prefix{}}
		steps := rapid.IntRange(1, 25).Draw(rt, "steps")
		for range steps {
			number := rapid.SampledFrom([]int{0, 1, 2, 3, 4, 5, 6, 7, MaxRule, DefaultRuleIPv4, DefaultRuleIPv6}).Draw(rt, "number")
			prefix := drawPrefix(rt)
			op := rapid.SampledFrom([]string{"create", "create", "replace", "delete"}).Draw(rt, "op")
			dry := rapid.IntRange(0, 9).Draw(rt, "dry") == 0
			var want string
			if dry {
				scratch := model{quota: m.quota, entries: map[int]netip.Prefix{}}
				if want = codeDryRun; scratch.create(number, prefix.Masked()) == codeValue {
					want = codeValue
				}
			} else {
				want = m.apply(op, number, prefix.Masked())
			}
			got, _ := codeOf(x.apply(rt, op, number, prefix, dry))
			if got != want {
				rt.Fatalf("%s of rule %d with %s (dry run: %v) answered %q, the model says %q", op, number, prefix, dry, got, want)
			}
			x.compare(rt, m)
		}
	})
}

func drawPrefix(rt *rapid.T) netip.Prefix {
	if rapid.Bool().Draw(rt, "ipv6") {
		a := netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, 15: byte(rapid.IntRange(0, 3).Draw(rt, "last"))})
		return netip.PrefixFrom(a, rapid.SampledFrom([]int{64, 127, 128}).Draw(rt, "bits")).Masked() // else it is refused
	}
	a := netip.AddrFrom4([4]byte{203, 0, 113, byte(rapid.IntRange(0, 3).Draw(rt, "last"))})
	return netip.PrefixFrom(a, rapid.SampledFrom([]int{24, 31, 32}).Draw(rt, "bits"))
}

func (m model) apply(op string, number int, p netip.Prefix) string {
	switch op {
	case "create":
		return m.create(number, p)
	case "replace":
		return m.replace(number, p)
	}
	return m.delete(number)
}

func (x *site) apply(rt *rapid.T, op string, number int, p netip.Prefix, dry bool) error {
	in := x.deny(int32(number), p.String())
	in.DryRun = aws.Bool(dry)
	var err error
	switch op {
	case "create":
		_, err = x.ec2.CreateNetworkAclEntry(rt.Context(), in)
	case "replace":
		_, err = x.ec2.ReplaceNetworkAclEntry(rt.Context(), replaceOf(in))
	default:
		_, err = x.ec2.DeleteNetworkAclEntry(rt.Context(), &ec2.DeleteNetworkAclEntryInput{
			NetworkAclId: in.NetworkAclId, RuleNumber: in.RuleNumber, Egress: in.Egress, DryRun: in.DryRun,
		})
	}
	return err
}

// compare looks at the ACL both ways, and that nothing else moved.
func (x *site) compare(rt *rapid.T, m model) {
	var want []string
	for number, p := range m.entries {
		want = append(want, fmt.Sprintf("false %d %s", number, p))
	}
	for _, egress := range []bool{false, true} {
		want = append(want, fmt.Sprintf("%v 32767 0.0.0.0/0", egress), fmt.Sprintf("%v 32768 ::/0", egress))
	}
	slices.Sort(want)
	var stored, described []string
	for _, e := range x.Entries(x.acl) {
		stored = append(stored, fmt.Sprintf("%v %d %s", e.Egress, e.Number, e.Prefix))
	}
	out, err := x.ec2.DescribeNetworkAcls(rt.Context(), &ec2.DescribeNetworkAclsInput{NetworkAclIds: []string{x.acl}})
	if err != nil {
		rt.Fatalf("describing failed: %v", err)
	}
	for _, e := range out.NetworkAcls[0].Entries {
		if e.RuleAction != types.RuleActionDeny || *e.Protocol != "-1" {
			rt.Fatalf("rule %d became %+v", *e.RuleNumber, e)
		}
		described = append(described, fmt.Sprintf("%v %d %s", *e.Egress, *e.RuleNumber, aws.ToString(e.CidrBlock)+aws.ToString(e.Ipv6CidrBlock)))
	}
	slices.Sort(stored)
	slices.Sort(described)
	if !slices.Equal(stored, want) {
		rt.Fatalf("the ACL holds %v, the model says %v", stored, want)
	}
	if !slices.Equal(described, want) {
		rt.Fatalf("the API describes %v, the model says %v", described, want)
	}
}
