"""The way back: a release that is still on the host becomes the current one again."""

from __future__ import annotations

from collections.abc import Generator

from pyinfra import host
from pyinfra.api.exceptions import DeployError

from deploy import lock, status
from deploy.inventory import current
from deploy.machine import Machine, look
from deploy.script import Run
from deploy.settings import Settings, limits
from deploy.stack import out_of_date
from deploy.step import deploy, operation


@deploy("Rollback")
def to(*, release: str = "") -> None:
    """Go back to a ``release`` on the host, or to the one before: its code, image and configuration together.

    Refused where the database was migrated since, and where the release is not there or was changed.
    """
    settings = current()
    name = target(look(), release)
    switch(name=f"Go back to {name}", release=name, settings=settings)
    lock.leave()
    status.show()


def target(machine: Machine, release: str) -> str:
    """Return the release to go back to. Raises ``DeployError`` with those that are there."""
    wanted = release or machine.before
    others = ", ".join(name for name in machine.releases if name != machine["current"]) or "none"
    if not wanted:
        raise DeployError(f"{host.name}: no release ran before this one; name one of: {others}.")
    if wanted not in machine.releases:
        raise DeployError(f"{host.name}: {wanted} is not there; beside the current one there are: {others}.")
    if wanted in machine.changed:
        raise DeployError(
            f"{host.name}: {wanted} was changed on the host; "
            f"deploy it from a checkout, or name one of: {others}."
        )
    return wanted


@operation()
def switch(*, release: str, settings: Settings) -> Generator[Run]:
    """Make it the current release, and the services what it says."""
    machine = look()
    if machine["current"] == machine.started == release and not out_of_date(machine):
        host.noop(f"{release} runs")
        return
    yield Run("rollback", release, *limits(settings))
