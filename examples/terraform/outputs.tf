# What pyinfra's @terraform connector reads: a map from groups to hosts, each with pyinfra's keys and settings of
# deploy/settings.py. Name your own resource instead of aws_instance.flights, and its attributes.
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
