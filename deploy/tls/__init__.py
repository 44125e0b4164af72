"""The certificate that a domain is served with: one from files, or the place where Caddy keeps its own."""

from __future__ import annotations

from collections.abc import Generator
from datetime import UTC, datetime

from pyinfra import host
from pyinfra.api.exceptions import DeployError

from deploy import ports
from deploy.core import hosts
from deploy.core.facts import ask
from deploy.core.paths import CADDY_UID
from deploy.core.run import Run
from deploy.core.step import deploy, operation
from deploy.settings import Settings
from deploy.system import System
from deploy.tls.facts import Tls, address_problems, file_problems, key_and_certificate, port_problems, wanted


@deploy("TLS")
def ensure() -> None:
    """Install the domain's certificate, or create the directory where Caddy keeps its own. Only with a domain."""
    _ensure(name="Install the domain's certificate", settings=hosts.settings())


def problems() -> list[str]:
    """Return what keeps the host from being reached under its domain."""
    settings, _ = hosts.settings_and_problems()
    if not settings.domain:
        return []
    found = port_problems(settings, ports.holders(settings.public_ports))
    if settings.tls == "automatic":
        address = str(host.data.get("ssh_hostname") or host.name)
        found += address_problems(settings.domain, address, ask(System).addresses)
    if settings.tls == "files":
        found += file_problems(settings, datetime.now(UTC))
    return found


@operation()
def _ensure(*, settings: Settings) -> Generator[Run]:
    """Send key and certificate as one file, so that at no moment a key is beside another's certificate."""
    if not settings.domain:
        host.noop("no domain is set")
        return
    text = ""
    if settings.tls == "files":
        try:
            text = key_and_certificate(settings)
        except ValueError as error:
            raise DeployError(f"{host.name}: {error}") from error
    if ask(Tls).items() >= wanted(text).items():
        host.noop("already installed" if text else "already created")
        return
    yield Run("tls/ensure", uid=CADDY_UID, given=bool(text), stdin=text)
