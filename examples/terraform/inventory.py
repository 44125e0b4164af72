"""Hosts from Terraform: its output `pyinfra_inventory`, read by pyinfra's @terraform connector.

pyinfra examples/terraform/inventory.py deploy.py

Run it where `terraform output` works. Data that all of the hosts share goes here; data of one group goes into
group_data/, in a file named after the group.
"""

airflow = [
    ("@terraform/pyinfra_inventory.value", {"ssh_user": "deploy"}),
]
