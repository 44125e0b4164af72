"""Where things are: this repository, and the directories of the stack on a host."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parents[2]
"""This repository."""

PROJECT = "/opt/flights-mlops"
"""The releases; mounted read-only into the containers at the same path."""
STATE = "/var/lib/flights-mlops"
"""What the stack keeps. Tasks can write to some directories below it, and nowhere else."""
CONFIGURATION = "/etc/flights-mlops"
"""Secrets, certificates, and what the host's own units read."""
BACKUPS = "/var/backups/flights-mlops"
"""Dumps of the database."""
LOCK = "/run/flights-mlops.lock"
"""Says who deploys; gone after a reboot."""
VOLUME = "flights-mlops_postgres-airflow-data"
"""Docker's volume with the database."""
CADDY = f"{STATE}/caddy"
"""Certificates and keys that Caddy has asked for or made."""
CERTIFICATES = f"{CONFIGURATION}/tls"
"""A certificate that was given, for Caddy."""
CADDY_UID = 50001
"""The user that Caddy runs as; beside the 50000 of Airflow's image, and of no other service."""

ON_HOST = {
    "project": PROJECT,
    "state": STATE,
    "configuration": CONFIGURATION,
    "backups": BACKUPS,
    "lock": LOCK,
    "volume": VOLUME,
}
"""By the names that programs on the host know them by."""
