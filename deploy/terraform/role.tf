# The role of the bastions: one read, and three writes on this one ACL. IAM has
# no condition for rule numbers, so the window is kept by the program alone.

data "aws_iam_policy_document" "assume" {
  statement {
    actions = ["sts:AssumeRole"]
    principals {
      type        = "Service"
      identifiers = ["ec2.amazonaws.com"]
    }
  }
}

data "aws_iam_policy_document" "reconciler" {
  statement {
    sid       = "ReadNetworkAcls"
    actions   = ["ec2:DescribeNetworkAcls"]
    resources = ["*"]
    condition {
      test     = "StringEquals"
      variable = "aws:RequestedRegion"
      values   = [data.aws_region.current.name]
    }
  }
  statement {
    sid = "WriteEntriesOfThisNetworkAcl"
    actions = [
      "ec2:CreateNetworkAclEntry",
      "ec2:ReplaceNetworkAclEntry",
      "ec2:DeleteNetworkAclEntry",
    ]
    resources = [join(":", [
      "arn", data.aws_partition.current.partition, "ec2", data.aws_region.current.name,
      data.aws_caller_identity.current.account_id, "network-acl/${aws_network_acl.bastion.id}",
    ])]
  }
}

resource "aws_iam_role" "bastion" {
  name               = var.name
  assume_role_policy = data.aws_iam_policy_document.assume.json
  tags               = var.tags
}

resource "aws_iam_role_policy" "reconciler" {
  name   = "reconciler"
  role   = aws_iam_role.bastion.id
  policy = data.aws_iam_policy_document.reconciler.json
}

resource "aws_iam_instance_profile" "bastion" {
  name = var.name
  role = aws_iam_role.bastion.name
  tags = var.tags
}
