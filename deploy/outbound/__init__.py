"""How a host reaches out: the proxy that it downloads through, and the private CAs that it trusts."""

from __future__ import annotations

import base64
from collections.abc import Generator

from pyinfra import host
from pyinfra.api import StringCommand
from pyinfra.api.exceptions import DeployError

from deploy.core import hosts
from deploy.core.facts import ask
from deploy.core.run import Run
from deploy.core.step import deploy, operation
from deploy.outbound.facts import File, Outbound, authorities, files, proxy_variables
from deploy.settings import Seconds

__all__ = ["authorities", "configure", "problems", "proxy_variables"]


@deploy("Outbound")
def configure() -> None:
    """Download through the ``proxy``, and trust the CAs of ``ca_file``, on the host."""
    settings = hosts.settings()
    try:
        wanted = files(settings)
    except ValueError as problem:
        raise DeployError(f"{host.name}: {problem}") from problem
    _configure(name="Configure proxy and private CAs", wanted=wanted, lock_timeout=settings.apt_lock_timeout)


def problems() -> list[str]:
    """Return what is wrong with the CAs that the host should trust."""
    settings, _ = hosts.settings_and_problems()
    try:
        authorities(settings)
    except ValueError as problem:
        return [str(problem)]
    return []


@operation()
def _configure(*, wanted: list[File], lock_timeout: Seconds) -> Generator[StringCommand]:
    """Write the ``wanted`` files, and remove those that an earlier deploy wrote and that are not among them."""
    found = ask(Outbound)
    if found == frozenset(file.state for file in wanted):
        host.noop("already set" if wanted else "no proxy or private CAs configured")
        return
    obsolete = [state.path for state in found if state.path not in {file.path for file in wanted}]
    lines = (f"{file.path} {file.mode} {base64.b64encode(file.content.encode()).decode()}\n" for file in wanted)
    yield Run("outbound/configure", stdin="".join(lines), obsolete=sorted(obsolete), lock_timeout=lock_timeout)
