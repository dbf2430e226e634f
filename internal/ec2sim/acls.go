package ec2sim

// maxACLs is the default quota of Network ACLs per VPC (Amazon VPC quotas).
const maxACLs = 200

// createACL adds an ACL that denies everything: it holds the default denies
// alone, that of IPv6 only when the VPC has an IPv6 block.
func (w *world) createACL(vpcID string, labels tags) (*acl, *apiError) {
	v, ok := w.VPCs[vpcID]
	if !ok {
		return nil, refuse("InvalidVpcID.NotFound", "The vpc ID '%s' does not exist", vpcID)
	}
	n := 0
	for _, a := range w.ACLs {
		if a.VPC == vpcID {
			n++
		}
	}
	if n >= maxACLs {
		return nil, refuse(codeACLLimit, "The maximum number of network ACLs has been reached.")
	}
	a := &acl{ID: w.newID("acl"), VPC: vpcID, Tags: labels}
	for _, egress := range []bool{false, true} {
		a.insert(defaultDeny(egress, DefaultRuleIPv4, anyIPv4))
		if v.IPv6.IsValid() {
			a.insert(defaultDeny(egress, DefaultRuleIPv6, anyIPv6))
		}
	}
	w.ACLs[a.ID] = a
	return a, nil
}

// deleteACL removes an ACL that no subnet uses and that is not a VPC's default.
func (w *world) deleteACL(id string) *apiError {
	a, err := w.acl(id)
	if err != nil {
		return err
	}
	if a.Default {
		return refuse(codeValue, "cannot delete default network ACL %s", id)
	}
	if len(w.subnetsOf(id)) > 0 {
		return refuse(codeDependency, "The networkAcl '%s' has dependencies and cannot be deleted.", id)
	}
	delete(w.ACLs, id)
	return nil
}

// associate moves the subnet that has an association to another ACL of its VPC
// and gives the new association.
func (w *world) associate(association, aclID string) (string, *apiError) {
	a, err := w.acl(aclID)
	if err != nil {
		return "", err
	}
	for _, s := range w.Subnets {
		if s.AssociationID != association {
			continue
		}
		if s.VPC != a.VPC {
			return "", refuse(codeValue, "The networkAcl '%s' and the subnet '%s' belong to different networks", aclID, s.ID)
		}
		s.ACL, s.AssociationID = aclID, w.newID("aclassoc")
		return s.AssociationID, nil
	}
	return "", refuse(codeNoAssociation, "The association ID '%s' does not exist", association)
}

// addIPv6 gives a VPC an IPv6 block. Each of its ACLs gains the default deny,
// and its default ACL an allow at 101 where that number is free.
func (w *world) addIPv6(v *vpc) {
	for _, a := range w.ACLs {
		if a.VPC != v.ID {
			continue
		}
		for _, egress := range []bool{false, true} {
			a.insert(defaultDeny(egress, DefaultRuleIPv6, anyIPv6))
			if _, taken := a.find(egress, 101); a.Default && !taken {
				a.insert(allowAll(egress, 101, anyIPv6))
			}
		}
	}
}
