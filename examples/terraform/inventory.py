"""The hosts that Terraform made: its output `pyinfra_inventory`, read by pyinfra's @terraform connector.

pyinfra examples/terraform/inventory.py deploy.py

Type it where `terraform output` answers. Here goes what all of the hosts have in common; what is common to a
group goes into group_data/, by the group's name.
"""

airflow = [
    ("@terraform/pyinfra_inventory.value", {"ssh_user": "deploy"}),
]
