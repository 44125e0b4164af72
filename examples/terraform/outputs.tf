# The output that pyinfra's @terraform connector reads: a map from groups to hosts, each with pyinfra's keys and the
# settings of docs/settings.md. Replace aws_instance.flights and its attributes with your own resource.
output "pyinfra_inventory" {
  value = {
    production = [
      for vm in aws_instance.flights : {
        name         = vm.tags.Name
        ssh_hostname = vm.public_ip
        parallelism  = 16
      }
    ]
  }
}
