package ec2sim

import (
	"maps"
	"slices"
)

// describe makes the request of an action that lists one kind of resource.
func describe[T any](s *Server, p *params, k kind[T], all func(*world) []T, answer func(*world, []T, string) reply) request {
	q := k.parse(p)
	return request{resource: "*", read: func(w *world) (reply, *apiError) {
		page, next, err := k.page(w, q, all(w), s.pageSize)
		if err != nil {
			return nil, err
		}
		return answer(w, page, next), nil
	}}
}

func parseDescribeACLs(s *Server, p *params) request {
	all := func(w *world) []*acl { return sorted(w.ACLs) }
	return describe(s, p, aclKind, all, func(w *world, page []*acl, next string) reply {
		r := &aclsReply{Next: next}
		for _, a := range page {
			r.ACLs.Items = append(r.ACLs.Items, renderACL(w, a, s.shuffle))
		}
		return r
	})
}

func parseDescribeSubnets(s *Server, p *params) request {
	all := func(w *world) []*subnet { return sorted(w.Subnets) }
	return describe(s, p, subnetKind, all, func(_ *world, page []*subnet, next string) reply {
		r := &subnetsReply{Next: next}
		for _, v := range page {
			r.Subnets.Items = append(r.Subnets.Items, renderSubnet(s.region, v))
		}
		return r
	})
}

func parseDescribeVPCs(s *Server, p *params) request {
	all := func(w *world) []*vpc { return sorted(w.VPCs) }
	return describe(s, p, vpcKind, all, func(_ *world, page []*vpc, next string) reply {
		r := &vpcsReply{Next: next}
		for _, v := range page {
			r.VPCs.Items = append(r.VPCs.Items, renderVPC(v))
		}
		return r
	})
}

func parseDescribeDevices(s *Server, p *params) request {
	// Which managed interfaces are shown makes no difference: there are none.
	p.flag("IncludeManagedResources")
	all := func(w *world) []*netDevice { return sorted(w.Interfaces) }
	return describe(s, p, deviceKind, all, func(w *world, page []*netDevice, next string) reply {
		r := &devicesReply{Next: next}
		for _, n := range page {
			r.Devices.Items = append(r.Devices.Items, renderDevice(w, n))
		}
		return r
	})
}

func parseDescribeTags(s *Server, p *params) request {
	return describe(s, p, taggedKind, allTags, func(_ *world, page []tagged, next string) reply {
		r := &tagsReply{Next: next}
		for _, t := range page {
			r.Tags.Items = append(r.Tags.Items, xmlTagged{Resource: t.resource, Type: t.kind, Key: t.key, Value: t.value})
		}
		return r
	})
}

// allTags lists every tag in the order of taggedKind's identifiers.
func allTags(w *world) []tagged {
	ids := slices.Concat(
		slices.Collect(maps.Keys(w.ACLs)), slices.Collect(maps.Keys(w.Subnets)),
		slices.Collect(maps.Keys(w.VPCs)), slices.Collect(maps.Keys(w.Interfaces)),
	)
	slices.Sort(ids)
	var out []tagged
	for _, id := range ids {
		have, sort, err := w.labels(id)
		if err != nil {
			continue // cannot be: the identifier was just read from the same world
		}
		for _, key := range slices.Sorted(maps.Keys(*have)) {
			out = append(out, tagged{id, sort, key, (*have)[key]})
		}
	}
	return out
}

// identityReply answers GetCallerIdentity.
type identityReply struct {
	ARN       string `xml:"GetCallerIdentityResult>Arn"`
	User      string `xml:"GetCallerIdentityResult>UserId"`
	Account   string `xml:"GetCallerIdentityResult>Account"`
	RequestID string `xml:"ResponseMetadata>RequestId"`
}

func (r *identityReply) setRequestID(id string) { r.RequestID = id }

func parseCallerIdentity(*Server, *params) request {
	return request{resource: "*", read: func(w *world) (reply, *apiError) {
		return &identityReply{ARN: principal(w), User: "AROAEXAMPLE:" + w.Instance, Account: account}, nil
	}}
}

// roleName is the role of the instance, principal the session it makes.
const roleName = "bastion"

func principal(w *world) string {
	return "arn:aws:sts::" + account + ":assumed-role/" + roleName + "/" + w.Instance
}
