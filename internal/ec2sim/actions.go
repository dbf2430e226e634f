package ec2sim

// request is a call whose parameters have been read and found good.
type request struct {
	resource string                           // in the message when the permission lacks: KIND/ID or *
	exists   func(*world) *apiError           // nil: nothing to look for before a dry run's answer
	read     func(*world) (reply, *apiError)  // of an action that changes nothing
	write    func(*world) (effect, *apiError) // of one that does; it changes the world it is given
}

// effect is what a write answers, and whether it changed anything.
type effect struct {
	reply   reply
	changed bool
}

// action reads one action's parameters.
type action struct {
	write bool
	parse func(*Server, *params) request
}

var actionsEC2 = map[string]action{
	"CreateNetworkAclEntry":        {true, parseCreateEntry},
	"ReplaceNetworkAclEntry":       {true, parseReplaceEntry},
	"DeleteNetworkAclEntry":        {true, parseDeleteEntry},
	"CreateNetworkAcl":             {true, parseCreateACL},
	"DeleteNetworkAcl":             {true, parseDeleteACL},
	"ReplaceNetworkAclAssociation": {true, parseAssociate},
	"CreateTags":                   {true, parseCreateTags},
	"DeleteTags":                   {true, parseDeleteTags},
	"DescribeNetworkAcls":          {false, parseDescribeACLs},
	"DescribeSubnets":              {false, parseDescribeSubnets},
	"DescribeVpcs":                 {false, parseDescribeVPCs},
	"DescribeNetworkInterfaces":    {false, parseDescribeDevices},
	"DescribeTags":                 {false, parseDescribeTags},
}

var actionsSTS = map[string]action{
	"GetCallerIdentity": {false, parseCallerIdentity},
}

// onACL makes the request of an action that names an ACL.
func onACL(id string, write func(*world) (effect, *apiError)) request {
	return request{
		resource: "network-acl/" + id,
		exists:   func(w *world) *apiError { _, err := w.acl(id); return err },
		write:    write,
	}
}

// plainly answers with nothing but success.
func plainly(changed bool, err *apiError) (effect, *apiError) {
	return effect{&done{Return: true}, changed}, err
}

func parseCreateEntry(_ *Server, p *params) request {
	id, e := p.requireACL(), p.entry()
	return onACL(id, func(w *world) (effect, *apiError) { return plainly(w.createEntry(id, e)) })
}

func parseReplaceEntry(_ *Server, p *params) request {
	id, e := p.requireACL(), p.entry()
	return onACL(id, func(w *world) (effect, *apiError) { return plainly(w.replaceEntry(id, e)) })
}

func parseDeleteEntry(_ *Server, p *params) request {
	id, number, egress := p.requireACL(), p.requireNumber("RuleNumber"), p.requireFlag("Egress")
	if p.err == nil && (number < 1 || number > MaxRule) {
		p.fail(badValue(p.require("RuleNumber"), "RuleNumber", "It must be between 1 and 32766."))
	}
	return onACL(id, func(w *world) (effect, *apiError) { return plainly(w.deleteEntry(id, egress, number)) })
}

func parseCreateACL(s *Server, p *params) request {
	id := p.require("VpcId")
	if p.err == nil {
		p.id(id, "vpc", "InvalidVpcID.Malformed")
	}
	// The SDK always sends a client token. A repeated one is not recognized
	// here: every call makes an ACL.
	p.get("ClientToken")
	labels := tags{}
	if p.has("TagSpecification.") {
		if v := p.require("TagSpecification.1.ResourceType"); p.err == nil && v != "network-acl" {
			p.fail(badValue(v, "ResourceType", "Only network-acl can be tagged by this action."))
		}
		for _, t := range p.tagList("TagSpecification.1.Tag") {
			labels[t.key] = t.value
		}
	}
	return request{
		resource: "vpc/" + id,
		exists: func(w *world) *apiError {
			_, _, err := w.labels(id)
			return err
		},
		write: func(w *world) (effect, *apiError) {
			a, err := w.createACL(id, labels)
			if err != nil {
				return effect{}, err
			}
			return effect{&aclReply{ACL: renderACL(w, a, s.shuffle)}, true}, nil
		},
	}
}

func parseDeleteACL(_ *Server, p *params) request {
	id := p.requireACL()
	return onACL(id, func(w *world) (effect, *apiError) { return plainly(true, w.deleteACL(id)) })
}

func parseAssociate(_ *Server, p *params) request {
	association, id := p.require("AssociationId"), p.requireACL()
	return onACL(id, func(w *world) (effect, *apiError) {
		fresh, err := w.associate(association, id)
		return effect{&associationReply{ID: fresh}, true}, err
	})
}

func (p *params) tagging() ([]string, []tagParam) {
	ids := p.list("ResourceId")
	if len(ids) == 0 {
		p.fail(missing("ResourceId"))
	}
	return ids, p.tagList("Tag")
}

func parseCreateTags(_ *Server, p *params) request {
	ids, set := p.tagging()
	if len(set) == 0 {
		p.fail(missing("Tag"))
	}
	return request{resource: "*/*", exists: allLabelled(ids), write: func(w *world) (effect, *apiError) {
		return plainly(w.createTags(ids, set))
	}}
}

func parseDeleteTags(_ *Server, p *params) request {
	ids, set := p.tagging()
	return request{resource: "*/*", exists: allLabelled(ids), write: func(w *world) (effect, *apiError) {
		return plainly(w.deleteTags(ids, set))
	}}
}

func allLabelled(ids []string) func(*world) *apiError {
	return func(w *world) *apiError {
		for _, id := range ids {
			if _, _, err := w.labels(id); err != nil {
				return err
			}
		}
		return nil
	}
}
