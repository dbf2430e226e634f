output "network_acl_id" {
  description = "For nacl: in /etc/reconciler/config.yaml; auto finds it too."
  value       = aws_network_acl.bastion.id
}

output "instance_profile" {
  description = "Instance profile of the bastions."
  value       = aws_iam_instance_profile.bastion.name
}
