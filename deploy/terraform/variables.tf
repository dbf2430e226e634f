variable "name" {
  description = "Name of the ACL, the role and the instance profile."
  type        = string
  default     = "bastion"
}

variable "vpc_id" {
  description = "VPC of the subnets."
  type        = string
}

variable "subnet_ids" {
  description = "Subnets of the bastions. The ACL replaces the one that they have."
  type        = list(string)
}

variable "first_free_rule" {
  description = "First rule number above the window of the reconciler (rules: 1-90)."
  type        = number
  default     = 100

  validation {
    condition     = var.first_free_rule > 90 && var.first_free_rule < 32766
    error_message = "Allows inside or below the window 1-90 would overrule bans."
  }
}

variable "tags" {
  description = "Tags of everything that is made."
  type        = map(string)
  default     = {}
}
