// Package ec2sim is an in-memory EC2: the Query API for Network ACLs and what
// belongs to them, STS GetCallerIdentity, and the instance metadata service in
// version 2. It serves tests and the sandbox command, for the AWS CLI and the
// AWS SDK alike.
//
// It is held to one rule: never kinder than AWS. Where the documentation is
// silent it refuses, and what AWS leaves open (the order of entries, how soon a
// write is seen, how many results a page holds) it makes awkward on purpose.
// Rules and limits are those of the Amazon VPC user guide ("Network ACLs",
// "Amazon VPC quotas") and of the Amazon EC2 API reference, version 2016-11-15.
//
// A request passes these steps: the form is read, an injected fault may take
// it, the signature's scope is looked at, the rate limit, every parameter is
// checked, then the permission, whether the resource is there, and DryRun. Only
// then does it have an effect, all of it or none.
package ec2sim
