"""One deploy at a time on a host: who has the lock, and how to release it. Whatever changes the host first takes it."""

from __future__ import annotations

from collections.abc import Generator

from pyinfra import host
from pyinfra.api import StringCommand

from deploy.core import claim, lock
from deploy.core.run import Run
from deploy.core.step import deploy, operation


@deploy("Lock")
def show() -> None:
    """Show who is deploying to the host, since when and why."""
    _show(name="Show who is deploying")


@deploy("Lock")
def release() -> None:
    """Release the lock of a deploy that hangs, whoever started it. That deploy then stops at its next operation."""
    _release(name="Release the lock")


def problems() -> list[str]:
    """Return who is deploying to the host, if that is not this run. A deploy that has ended does not count."""
    found = lock.holder()
    return [found.refusal] if found and found.token != claim.TOKEN and not claim.is_gone(found.client) else []


@operation()
def _show() -> Generator[StringCommand]:
    """Print who has the lock."""
    found = lock.holder()
    if host.state.is_executing:
        host.log(
            f"{found.owner} has been deploying since {found.since} ({found.message})"
            if found
            else "nobody is deploying"
        )
    host.noop("read-only, nothing to change")
    yield from ()


@operation()
def _release() -> Generator[Run]:
    """Empty the lock file."""
    found = lock.holder()
    if found is None:
        host.noop("nobody is deploying")
        return
    yield Run("core/unlock", locks=False, own=found.token)
