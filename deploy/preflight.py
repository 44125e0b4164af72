"""Refuse early: all that is wrong with inventory, project or host at once, with nothing changed."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from pyinfra import host
from pyinfra.api.exceptions import DeployError

from deploy import base_image, certificate, claim, egress, engine, local_engine, project, remote
from deploy.inventory import of_host
from deploy.machine import Machine, look
from deploy.script import is_remote
from deploy.settings import Settings
from deploy.step import deploy

SYSTEMS = {("debian", "12"), ("debian", "13"), ("ubuntu", "22.04"), ("ubuntu", "24.04")}
ARCHITECTURES = {"amd64", "arm64"}
# The idle stack takes 0.8 GiB, and a task as much as it likes; a machine sold with 2 GB shows a little less.
MEMORY_MIB = 1800
# For packages, base images, the Airflow image and its build; docs/performance.md has the figures.
DISK_MIB_FIRST = 5120
DISK_MIB_LATER = 1024
# The first with a `--progress` that is its own and not of each of its commands.
COMPOSE_AT_LEAST = (2, 20)


@deploy("Preflight")
def check() -> None:
    """Raise ``DeployError`` with a line for each thing that is wrong; change nothing."""
    settings, faults = of_host()
    try:
        machine = look()
        faults += [f"{host.name}: {fault}" for fault in machine_faults(machine, settings)]
        if is_remote(host):
            faults += [f"{host.name}: {fault}" for fault in guard_faults(machine, settings)]
        faults += [f"{host.name}: {fault}" for fault in lock_faults(machine)]
        faults += [f"{host.name}: {fault}" for fault in domain_faults(machine, settings)]
        faults += [f"{host.name}: {fault}" for fault in remote.faults(settings, machine)]
    except DeployError as fault:  # it cannot be looked at
        machine = Machine()
        faults.append(str(fault))
    faults += project_faults(settings, machine)
    faults += [f"{host.name}: {fault}" for fault in source_faults(settings, machine)]
    if faults:
        raise DeployError("\n".join(faults))


def lock_faults(machine: Machine) -> list[str]:
    """Return by whom the host is locked, or nothing; a lock whose process is gone is taken over."""
    lock = machine.lock
    if lock is None or lock.token == claim.TOKEN or claim.is_gone(lock.client):
        return []
    fault = (
        f"{lock.owner} has deployed to it since {lock.since} ({lock.message}): wait for the end of that; "
        "if it hangs, pyinfra inventory.py deploy.lock.release."
    )
    return [fault]


def machine_faults(machine: Machine, settings: Settings) -> list[str]:
    """Return what keeps the stack from running on a machine, a sentence each."""
    faults = []
    if (machine["os.id"], machine["os.version"]) not in SYSTEMS:
        faults.append(
            f"{machine['os.name']} is not supported; use Debian 12 or 13, or Ubuntu 22.04 or 24.04."
        )
    if machine["architecture"] not in ARCHITECTURES:
        faults.append(f"the architecture {machine['architecture']} is not supported; use amd64 or arm64.")
    if (memory := machine.number("memory.kib") // 1024) < MEMORY_MIB:
        faults.append(f"{memory} MiB of memory are too little; the stack needs {MEMORY_MIB} MiB.")
    needed = DISK_MIB_LATER if project.LATEST in machine.images else DISK_MIB_FIRST
    if (free := machine.number("disk.kib") // 1024) < needed:
        faults.append(
            f"{free} MiB free under /var/lib are too little, {needed} MiB needed: make room, or add a disk."
        )
    if holder := machine["port.holder"]:
        faults.append(f"port {settings.ui_port} is taken by {holder}; stop it, or set ui_port to another.")
    return faults + engine_faults(machine) + database_faults(machine, settings)


def guard_faults(machine: Machine, settings: Settings) -> list[str]:
    """Return why a host cannot be guarded as the settings say, a sentence each."""
    faults = []
    needs = ("firewall", "harden_ssh", "security_updates", "live_restore", "synchronise_clock")
    if not machine["systemd"] and (on := [name for name in needs if getattr(settings, name)]):
        faults.append(f"systemd does not run on it, and {', '.join(on)} need it; set them to false.")
    if settings.live_restore and machine["docker.live-restore"] != "true":
        if machine["docker.swarm"] not in {"", "inactive"}:
            faults.append(
                "its engine is in a swarm, which does not go with live-restore; set live_restore to false."
            )
        try:
            engine.configuration(machine)
        except ValueError as fault:
            faults.append(str(fault))
    return faults


def domain_faults(machine: Machine, settings: Settings) -> list[str]:
    """Return what keeps a host from being reached under its domain, a sentence each."""
    if not settings.domain:
        return []
    faults = [
        f"port {port}, which the domain {settings.domain} needs, is taken by {holder}; stop it."
        for port in settings.public_ports
        if (holder := machine[f"port.holder.{port}"])
    ]
    if settings.ui_port in settings.public_ports:
        faults.append(f"port {settings.ui_port} is that of the domain; set ui_port to another.")
    if machine["login"] == "known":
        faults.append(
            f"its login is airflow / airflow, which {settings.domain} would open to others; renew it first: "
            "pyinfra inventory.py deploy.credentials.rotate secret=admin_password."
        )
    if settings.tls == "automatic":
        address = str(host.data.get("ssh_hostname") or host.name)
        faults += certificate.address_faults(settings.domain, address, machine["addresses"].split())
    if settings.tls == "files":
        faults += certificate.file_faults(settings, datetime.now(UTC))
    return faults


def engine_faults(machine: Machine) -> list[str]:
    """Return why an engine that is there will not do, a sentence each."""
    faults = []
    if machine["docker.path"].startswith("/snap/"):
        faults.append("its Docker is a snap, which cannot read /opt; remove it (snap remove docker).")
    version = re.match(r"v?(\d+)\.(\d+)", machine["docker.compose"])
    if version and (int(version[1]), int(version[2])) < COMPOSE_AT_LEAST:
        least = ".".join(map(str, COMPOSE_AT_LEAST))
        faults.append(
            f"docker compose {version[0]} is too old; upgrade docker-compose-plugin to {least} or newer."
        )
    return faults


def database_faults(machine: Machine, settings: Settings) -> list[str]:
    """Return why the database's files would not be read by the image that is chosen, or nothing.

    PostgreSQL reads the files of its own major version; and the image built from Debian's packages has
    another user id and other locales than the registry's.
    """
    kept, new = machine["POSTGRES_IMAGE"], base_image.chosen(settings.postgres_image, settings, machine)
    if not machine["volume"] or not kept or _kind(kept) == _kind(new):
        return []
    fault = (
        f"its database was made by {kept}, and {new} cannot read it; "
        "keep to the former (settings postgres_image and base_images), or dump the database and start over."
    )
    return [fault]


def _kind(image: str) -> tuple[str, str]:
    name, _, tag = image.rpartition(":")
    return name, re.split(r"\D", tag, maxsplit=1)[0]


def source_faults(settings: Settings, machine: Machine) -> list[str]:
    """Return why the image or packages cannot come from where they should, a sentence each.

    The engine of the machine that deploys is asked only where the host lacks the image.
    """
    faults = []
    try:
        egress.authorities(settings)
    except ValueError as fault:
        faults.append(str(fault))
    if machine["architecture"] and local_engine.source(settings) == "ship":
        try:
            lacking = project.build(settings, machine).image not in machine.images
        except ValueError:  # a fault of its own
            lacking = False
        if lacking and (fault_here := local_engine.fault(machine["architecture"])):
            faults.append(fault_here)
    return faults


def project_faults(settings: Settings, machine: Machine) -> list[str]:
    """Return what is wrong with the project or the templates, a sentence each."""
    try:
        project.build(settings, machine)
    except ValueError as fault:
        return str(fault).splitlines()
    return []
