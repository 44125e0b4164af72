"""Which machines, and only what differs from the defaults of deploy/settings.py.

A host is a name, or a name and its data: pyinfra's own keys (ssh_user, ssh_key, ssh_port ...) and settings:

    ("203.0.113.10", {"ssh_user": "debian", "parallelism": 4}),
"""

airflow = [
    "@local",
]
