"""The first boot of a VM: what its provider has cloud-init do is not interfered with."""

from __future__ import annotations

from collections.abc import Generator

from pyinfra import host

from deploy.inventory import current
from deploy.machine import look
from deploy.script import Run
from deploy.settings import Seconds
from deploy.step import deploy, operation


@deploy("cloud-init")
def wait() -> None:
    """Wait until cloud-init has finished the first boot, where the host has it."""
    finish(name="Wait for the end of the first boot", timeout=current().cloud_init_timeout)


@operation()
def finish(*, timeout: Seconds) -> Generator[Run]:
    """Wait at most ``timeout``, if cloud-init is at work."""
    if look()["cloud-init"] != "running":
        host.noop("cloud-init is not at work")
        return
    yield Run("cloud_init", str(timeout))
