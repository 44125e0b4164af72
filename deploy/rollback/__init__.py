"""The way back: a release that is still on the host becomes the current one again."""

from __future__ import annotations

import re
from collections.abc import Generator

from pyinfra import host
from pyinfra.api.exceptions import DeployError

from deploy import release as releases
from deploy.core import summary
from deploy.core.facts import ask
from deploy.core.run import StackRun
from deploy.core.step import deploy, operation
from deploy.release.content import NAME
from deploy.release.facts import Found
from deploy.stack.facts import State


@deploy("Rollback")
def to(*, release: str = "") -> None:
    """Roll back to a ``release`` on the host, or to the one before: its code, image and configuration together.

    Refused where the database was migrated since, and where the release is not on the host or was changed.
    """
    name = target(releases.on_host(), release)
    _to(name=f"Roll back to {name}", release=name)


def target(found: Found, release: str) -> str:
    """Return the release to roll back to. Raises ``DeployError`` with those on the host."""
    wanted = release or found.before
    others = ", ".join(name for name in found.releases if name != found.current) or "none"
    if not wanted:
        raise DeployError(f"{host.name}: no release ran before this one; name one of: {others}.")
    if not re.fullmatch(NAME, wanted):
        raise DeployError(f"{host.name}: {wanted!a} is not a release name; name one of: {others}.")
    if wanted not in found.releases:
        raise DeployError(f"{host.name}: {wanted} is not on the host; besides the current one it has: {others}.")
    if found.releases[wanted].is_changed:
        raise DeployError(
            f"{host.name}: {wanted} was changed on the host; deploy it from a checkout, or name one of: {others}."
        )
    return wanted


@operation()
def _to(*, release: str) -> Generator[StackRun]:
    """Make it the current release, and the services what it says."""
    found = releases.on_host()
    summary.note_release(host, release)
    if found.current == found.started == release and not ask(State).due:
        host.noop(f"{release} already runs")
        return
    yield StackRun("rollback/to", release=release)
