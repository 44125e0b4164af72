"""What the host downloads through and trusts: the files that say so, wanted and found."""

from __future__ import annotations

import hashlib
import re
import ssl
from dataclasses import dataclass, field
from pathlib import Path

from pyinfra.api import StringCommand

from deploy.core.facts import Fact, look, table
from deploy.core.paths import CONFIGURATION
from deploy.settings import Settings

CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)
AUTHORITY = "/usr/local/share/ca-certificates/flights-mlops-{}.crt"
BUNDLE = "/etc/ssl/certs/ca-certificates.crt"
"""All that the host trusts, made by update-ca-certificates."""
# Last of apt's own, so that it has the last word.
APT = "/etc/apt/apt.conf.d/99flights-mlops-proxy"
ENVIRONMENT = f"{CONFIGURATION}/proxy.env"
# Names the file above, because any user may ask systemd for what stands in a unit itself.
UNIT = "/etc/systemd/system/docker.service.d/flights-mlops-proxy.conf"
# Enough to see that a file is another one, and too little to guess a password by.
FINGERPRINT = 5


@dataclass(frozen=True)
class FileState:
    """A file on the host."""

    path: str
    mode: str
    """In octal digits."""
    fingerprint: str
    """The beginning of its SHA-256; ``new`` where it came after the ``BUNDLE``, which may lack it."""


@dataclass(frozen=True)
class File:
    """A file that the settings ask for on the host."""

    path: str
    content: str = field(repr=False)
    """A password may stand in it."""
    mode: str = "644"

    @property
    def state(self) -> FileState:
        """How the host has it, when it is there."""
        return FileState(self.path, self.mode, hashlib.sha256(self.content.encode()).hexdigest()[:FINGERPRINT])


class Outbound(Fact[frozenset[FileState]]):
    """The files on the host that set its proxy and its private CAs."""

    def command(self) -> StringCommand:
        """Return the command, which only reads."""
        files, pattern = (APT, ENVIRONMENT, UNIT), AUTHORITY.format("*")
        return look("outbound/outbound", files=files, authorities=pattern, bundle=BUNDLE)

    def read(self, lines: list[str]) -> frozenset[FileState]:
        """Read its lines."""
        rows = table(lines, r"\d{3,4}", rf"[\da-f]{{{FINGERPRINT}}}|new", "/.+")
        return frozenset(FileState(path, mode, fingerprint) for mode, fingerprint, path in rows)


def authorities(settings: Settings) -> list[str]:
    """Return the certificates of ``ca_file``. Raises ``ValueError`` with a sentence."""
    if not settings.ca_file:
        return []
    at = f'setting "ca_file" names {settings.ca_file}, which'
    try:
        found = CERTIFICATE.findall(Path(settings.ca_file).expanduser().read_text())
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not a text file"
        raise ValueError(f"{at} cannot be read ({reason}); name a file with certificates in PEM.") from error
    if not found:
        raise ValueError(f"{at} contains no certificate; name a file with certificates in PEM.")
    for number, certificate in enumerate(found, 1):
        try:
            ssl.create_default_context(cadata=certificate)
        except (ssl.SSLError, ValueError) as error:
            raise ValueError(f"{at} is broken: its certificate {number} is invalid; replace it.") from error
    return [f"{certificate}\n" for certificate in found]


def proxy_variables(proxy: str) -> str:
    """Return what tells programs of a proxy in their environment, a line each; itself not to be shown."""
    names = ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy")
    loopback = "".join(f"{name}='localhost,127.0.0.1,::1'\n" for name in ("NO_PROXY", "no_proxy"))
    return "".join(f"{name}='{proxy}'\n" for name in names) + loopback


def files(settings: Settings) -> list[File]:
    """Return the files that the settings ask for on the host.

    Raises ``ValueError`` with a sentence where ``ca_file`` is not what it should be.
    """
    wanted = [File(AUTHORITY.format(number), text) for number, text in enumerate(authorities(settings), 1)]
    if proxy := settings.proxy:
        lines = (f'Acquire::{scheme}::Proxy "{proxy}";\n' for scheme in ("http", "https"))
        # apt warns whoever may not read a file of its configuration: closed only where it has to be.
        wanted.append(File(APT, "".join(lines), "600" if "@" in proxy else "644"))
        wanted.append(File(ENVIRONMENT, proxy_variables(proxy), "600"))
        wanted.append(File(UNIT, f"[Service]\nEnvironmentFile=-{ENVIRONMENT}\n"))
    return wanted
