# An example: one Network ACL for the subnets of bastions, and a role that lets
# them keep bans in it. It keeps hands off the window of rule numbers that the
# reconciler writes to.
#
# Rules are resources of their own here. Inline rules (ingress { … } in
# aws_network_acl) would own the whole ACL and erase the bans at every apply.

terraform {
  required_version = ">= 1.5"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.0"
    }
  }
}

data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}
data "aws_region" "current" {}

resource "aws_network_acl" "bastion" {
  vpc_id     = var.vpc_id
  subnet_ids = var.subnet_ids
  tags       = merge(var.tags, { Name = var.name })

  # The bans are none of Terraform's business, whatever the provider reads back.
  lifecycle {
    ignore_changes = [ingress]
  }
}

# Allows come above the window 1-90: a ban works only below every allow that
# matches the same traffic.
resource "aws_network_acl_rule" "in_ipv4" {
  network_acl_id = aws_network_acl.bastion.id
  rule_number    = var.first_free_rule
  egress         = false
  protocol       = "-1"
  rule_action    = "allow"
  cidr_block     = "0.0.0.0/0"
}

resource "aws_network_acl_rule" "in_ipv6" {
  network_acl_id  = aws_network_acl.bastion.id
  rule_number     = var.first_free_rule + 1
  egress          = false
  protocol        = "-1"
  rule_action     = "allow"
  ipv6_cidr_block = "::/0"
}

resource "aws_network_acl_rule" "out_ipv4" {
  network_acl_id = aws_network_acl.bastion.id
  rule_number    = var.first_free_rule
  egress         = true
  protocol       = "-1"
  rule_action    = "allow"
  cidr_block     = "0.0.0.0/0"
}

resource "aws_network_acl_rule" "out_ipv6" {
  network_acl_id  = aws_network_acl.bastion.id
  rule_number     = var.first_free_rule + 1
  egress          = true
  protocol        = "-1"
  rule_action     = "allow"
  ipv6_cidr_block = "::/0"
}
