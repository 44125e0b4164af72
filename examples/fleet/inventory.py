"""Two environments. What differs between them is in group_data/, in files named after the groups.

pyinfra examples/fleet/inventory.py deploy.py --limit staging
"""

staging = [
    ("staging.example.org", {"ssh_user": "deploy"}),
]

production = [
    ("flights-1.example.org", {"ssh_user": "deploy"}),
    ("flights-2.example.org", {"ssh_user": "deploy", "parallelism": 32}),  # a larger machine
]
