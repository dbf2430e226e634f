package ec2sim

type xmlPorts struct {
	From int `xml:"from"`
	To   int `xml:"to"`
}

type xmlICMP struct {
	Code int `xml:"code"`
	Type int `xml:"type"`
}

type xmlEntry struct {
	RuleNumber int       `xml:"ruleNumber"`
	Protocol   string    `xml:"protocol"`
	RuleAction string    `xml:"ruleAction"`
	Egress     bool      `xml:"egress"`
	CIDR       string    `xml:"cidrBlock,omitempty"`
	IPv6CIDR   string    `xml:"ipv6CidrBlock,omitempty"`
	ICMP       *xmlICMP  `xml:"icmpTypeCode"`
	Ports      *xmlPorts `xml:"portRange"`
}

type xmlAssociation struct {
	ID     string `xml:"networkAclAssociationId"`
	ACL    string `xml:"networkAclId"`
	Subnet string `xml:"subnetId"`
}

type xmlACL struct {
	ID           string              `xml:"networkAclId"`
	VPC          string              `xml:"vpcId"`
	Default      bool                `xml:"default"`
	Entries      set[xmlEntry]       `xml:"entrySet"`
	Associations set[xmlAssociation] `xml:"associationSet"`
	Tags         set[xmlTag]         `xml:"tagSet"`
	Owner        string              `xml:"ownerId"`
}

type aclsReply struct {
	head
	ACLs set[xmlACL] `xml:"networkAclSet"`
	Next string      `xml:"nextToken,omitempty"`
}

type aclReply struct {
	head
	ACL xmlACL `xml:"networkAcl"`
}

type associationReply struct {
	head
	ID string `xml:"newAssociationId"`
}

func renderEntry(e Entry) xmlEntry {
	x := xmlEntry{RuleNumber: e.Number, Protocol: e.Protocol, RuleAction: "deny", Egress: e.Egress}
	if e.Allow {
		x.RuleAction = "allow"
	}
	if e.ipv6() {
		x.IPv6CIDR = e.Prefix.String()
	} else {
		x.CIDR = e.Prefix.String()
	}
	if e.hasPorts() {
		x.Ports = &xmlPorts{From: e.Ports.From, To: e.Ports.To}
	}
	if e.hasICMP() {
		x.ICMP = &xmlICMP{Code: e.ICMP.Code, Type: e.ICMP.Type}
	}
	return x
}

// renderACL writes an ACL out. AWS promises no order of entries, so they come
// in the one that shuffle makes.
func renderACL(w *world, a *acl, shuffle func(n int, swap func(i, j int))) xmlACL {
	x := xmlACL{ID: a.ID, VPC: a.VPC, Default: a.Default, Owner: account, Tags: tagSet(a.Tags)}
	for _, e := range a.Entries {
		x.Entries.Items = append(x.Entries.Items, renderEntry(e))
	}
	items := x.Entries.Items
	shuffle(len(items), func(i, j int) { items[i], items[j] = items[j], items[i] })
	for _, s := range w.subnetsOf(a.ID) {
		x.Associations.Items = append(x.Associations.Items, xmlAssociation{ID: s.AssociationID, ACL: a.ID, Subnet: s.ID})
	}
	return x
}
