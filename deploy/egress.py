"""The way out of a host: the proxy that it downloads through, and the private CAs that it trusts."""

from __future__ import annotations

import base64
import hashlib
import re
import ssl
from collections.abc import Generator
from pathlib import Path

from pyinfra import host
from pyinfra.api.exceptions import DeployError

from deploy.configuration import CONFIGURATION_ROOT
from deploy.inventory import current
from deploy.machine import look
from deploy.script import Run
from deploy.settings import Settings
from deploy.step import deploy, operation

CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)
AUTHORITY = "/usr/local/share/ca-certificates/flights-mlops-{}.crt"
# Last of apt's own, so that it has the last word.
APT = "/etc/apt/apt.conf.d/99flights-mlops-proxy"
# Names the file below, because any user may ask systemd for what stands in a unit itself.
ENGINE = "/etc/systemd/system/docker.service.d/flights-mlops-proxy.conf"
ENVIRONMENT = f"{CONFIGURATION_ROOT}/proxy.env"
# What look.sh puts before the path of such a file.
SEEN = "egress:"
# Enough to see that a file is another one, and too little to guess a password by.
FINGERPRINT = 5


@deploy("Egress")
def configure() -> None:
    """Have the host download through the ``proxy``, and trust the CAs of ``ca_file``."""
    settings = current()
    try:
        wanted = files(settings)
    except ValueError as fault:
        raise DeployError(f"{host.name}: {fault}") from fault
    place(name="Set the proxy and the private CAs", wanted=wanted, lock_timeout=settings.apt_lock_timeout)


def authorities(settings: Settings) -> list[str]:
    """Return the certificates of ``ca_file``. Raises ``ValueError`` with a sentence."""
    if not settings.ca_file:
        return []
    at = f'setting "ca_file" names {settings.ca_file}, which'
    try:
        found = CERTIFICATE.findall(Path(settings.ca_file).expanduser().read_text())
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        raise ValueError(
            f"{at} cannot be read here ({reason}); give a file of certificates in PEM."
        ) from error
    if not found:
        raise ValueError(f"{at} holds no certificate; give a file of certificates in PEM.")
    for number, certificate in enumerate(found, 1):
        try:
            ssl.create_default_context(cadata=certificate)
        except (ssl.SSLError, ValueError) as error:
            raise ValueError(
                f"{at} is broken: its certificate {number} cannot be read; get it anew."
            ) from error
    return [f"{certificate}\n" for certificate in found]


def proxy_variables(proxy: str) -> str:
    """Return what tells programs of a proxy in their environment, a line each; itself not to be shown."""
    names = ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy")
    loopback = "".join(f"{name}='localhost,127.0.0.1,::1'\n" for name in ("NO_PROXY", "no_proxy"))
    return "".join(f"{name}='{proxy}'\n" for name in names) + loopback


def files(settings: Settings) -> dict[str, tuple[str, str]]:
    """Return the mode and content of each file that the settings ask for on the host, by its path.

    Raises ``ValueError`` with a sentence where ``ca_file`` is not what it should be.
    """
    wanted = {
        AUTHORITY.format(number): ("644", certificate)
        for number, certificate in enumerate(authorities(settings), 1)
    }
    if proxy := settings.proxy:
        lines = (f'Acquire::{scheme}::Proxy "{proxy}";\n' for scheme in ("http", "https"))
        # apt warns whoever may not read a file of its configuration: closed only where it has to be.
        wanted[APT] = ("600" if "@" in proxy else "644", "".join(lines))
        wanted[ENVIRONMENT] = ("600", proxy_variables(proxy))
        wanted[ENGINE] = ("644", f"[Service]\nEnvironmentFile=-{ENVIRONMENT}\n")
    return wanted


def fingerprint(content: str) -> str:
    """Return what ``look.sh`` says of a file with this content."""
    return hashlib.sha256(content.encode()).hexdigest()[:FINGERPRINT]


@operation()
def place(*, wanted: dict[str, tuple[str, str]], lock_timeout: int) -> Generator[Run]:
    """Write the files, and remove those that are wanted no more."""
    values = look().values
    found = {key.removeprefix(SEEN): value for key, value in values.items() if key.startswith(SEEN)}
    if found == {path: f"{mode} {fingerprint(content)}" for path, (mode, content) in wanted.items()}:
        host.noop(
            "the proxy and the private CAs are set" if wanted else "neither proxy nor private CA is asked for"
        )
        return
    lines = (
        f"{path} {mode} {base64.b64encode(content.encode()).decode()}\n"
        for path, (mode, content) in wanted.items()
    )
    yield Run("egress", str(lock_timeout), text="".join(lines))
