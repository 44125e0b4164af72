"""One deploy at a time on a host. The lock is taken by whatever changes the host first (``claim.sh``)."""

from __future__ import annotations

from collections.abc import Generator

from pyinfra import host

from deploy import claim
from deploy.machine import look
from deploy.script import Run
from deploy.step import deploy, operation


@deploy("Lock")
def show() -> None:
    """Say who deploys to the host, since when and what for."""
    report(name="Say who deploys")


@deploy("Lock")
def release() -> None:
    """Release the lock of a deploy that hangs, whoever's it is; that deploy then stops at its next step."""
    remove(name="Release the lock, whoever's it is", own=False)


@deploy("Lock")
def leave() -> None:
    """Release the lock of this deploy, for the next one."""
    remove(name="Release the lock of this deploy", own=True)


@operation()
def report() -> Generator[Run]:
    """Print who has the lock; change nothing."""
    if host.state.is_executing:
        lock = look().lock
        host.log(
            f"{lock.owner} has deployed since {lock.since} ({lock.message})" if lock else "nobody deploys"
        )
    host.noop("only said what there is")
    yield from ()


@operation()
def remove(*, own: bool) -> Generator[Run]:
    """Empty the lock file, if it names this deploy or, where it need not be its ``own``, any."""
    lock = look().lock
    if lock is None or (own and lock.token != claim.TOKEN):
        host.noop("there is no such lock")
        return
    yield Run("unlock", lock.token, keeps=own)
