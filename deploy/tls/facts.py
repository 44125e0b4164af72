"""What a host has to serve a domain with, and what is wrong with a certificate or the domain's address."""

from __future__ import annotations

import hashlib
import ipaddress
import socket
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from pyinfra.api import StringCommand
from typing_extensions import override

from deploy.core.facts import Fact, look, table
from deploy.core.paths import CADDY, CADDY_UID, CERTIFICATES
from deploy.settings import Settings

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

CERTIFICATE = f"{CERTIFICATES}/certificate.pem"
# Closed to all but Caddy: where it writes, and where a certificate is that was given.
DIRECTORIES = {CADDY: f"{CADDY_UID} 700", CERTIFICATES: f"{CADDY_UID} 500"}
MODE = "400"


class Tls(Fact[dict[str, str]]):
    """Owner and mode of each directory, and of the certificate that was given, with its hash; by path."""

    def command(self) -> StringCommand:
        """Return the command, which only reads."""
        return look("tls/tls")

    @override
    def read(self, lines: list[str]) -> dict[str, str]:
        return {row[0]: row[1] for row in table(lines, r"/\S+", r"\d+ \d+( [0-9a-f]{64})?")}


def wanted(text: str) -> dict[str, str]:
    """Return what the fact says of a host that has what it needs, with this key and certificate if any was given."""
    digest = hashlib.sha256(text.encode()).hexdigest()
    return DIRECTORIES | ({CERTIFICATE: f"{CADDY_UID} {MODE} {digest}"} if text else {})


def key_and_certificate(settings: Settings) -> str:
    """Return the private key and the certificate with its chain, as one text in PEM.

    Raises ``ValueError``, a sentence, where one of the files cannot be read.
    """
    files = (settings.certificate_key_file, settings.certificate_file)
    try:
        return "".join(f"{_read(name).decode().strip()}\n" for name in files)
    except OSError as error:
        raise ValueError(_unreadable(error)) from error


def port_problems(settings: Settings, holders: Mapping[int, str]) -> list[str]:
    """Return what keeps Caddy from listening on the ports of the domain; ``holders`` are others, by port."""
    problems = [
        f"port {port}, which the domain {settings.domain} needs, is used by {holders[port]}; stop it."
        for port in settings.public_ports
        if port in holders
    ]
    if settings.ui_port in settings.public_ports:
        problems.append(f"port {settings.ui_port} is used by the domain; set ui_port to another port.")
    return problems


def _read(name: str | None) -> bytes:
    return Path(name or "").expanduser().read_bytes()


def _unreadable(error: OSError) -> str:
    return f"{error.filename} cannot be read on the control node ({error.strerror})."


def file_problems(settings: Settings, now: datetime) -> list[str]:
    """Return why a domain cannot be served with the certificate that the settings name, a sentence each."""
    # Only now: whoever has no certificate does not wait for it.
    from cryptography import x509  # noqa: PLC0415
    from cryptography.hazmat.primitives.serialization import load_pem_private_key  # noqa: PLC0415

    content, problems = {}, []
    for name in (settings.certificate_file, settings.certificate_key_file):
        try:
            content[name] = _read(name)
        except OSError as error:
            problems.append(_unreadable(error))
    leaf = key = None
    if (found := content.get(settings.certificate_file)) is not None:
        try:
            leaf = x509.load_pem_x509_certificates(found)[0]
        except ValueError:
            problems.append(f"{settings.certificate_file} contains no PEM certificate; name a file that does.")
    if (found := content.get(settings.certificate_key_file)) is not None:
        try:
            key = load_pem_private_key(found, None)
        except TypeError:
            problems.append(f"{settings.certificate_key_file} has a passphrase; Caddy needs it without one.")
        except ValueError:
            problems.append(f"{settings.certificate_key_file} contains no PEM private key; name a file that does.")
    if leaf is None:
        return problems
    if key is not None and key.public_key() != leaf.public_key():
        problems.append(f"{settings.certificate_key_file} is not the key of {settings.certificate_file}.")
    return problems + _certificate_problems(leaf, settings, now)


def _certificate_problems(leaf: Certificate, settings: Settings, now: datetime) -> list[str]:
    from cryptography import x509  # noqa: PLC0415

    problems, name, domain = [], settings.certificate_file, settings.domain or ""
    names: list[str] = []
    with suppress(x509.ExtensionNotFound):
        alternatives = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        names = alternatives.get_values_for_type(x509.DNSName)
    # A wildcard stands for one label, the first.
    if not {domain, "*." + domain.partition(".")[2]} & {found.lower() for found in names}:
        problems.append(f"{name} is not for {domain}, but for {', '.join(names) or 'no host name'}.")
    if now > leaf.not_valid_after_utc:
        problems.append(f"{name} was valid until {leaf.not_valid_after_utc:%F %R} UTC; renew it.")
    if now < leaf.not_valid_before_utc:
        problems.append(f"{name} is not valid before {leaf.not_valid_before_utc:%F %R} UTC; use one that is valid now.")
    return problems


def address_problems(domain: str, reached_at: str, own: Iterable[str]) -> list[str]:
    """Return why no public authority would find the host under its domain, or nothing.

    ``reached_at`` is the host's name for SSH, and ``own`` the addresses that the host itself knows of. Where
    those are private ones and the domain has a public one, a router stands between, and nothing can be told.
    """
    otherwise = 'correct its DNS record, or set tls to "internal" or "files".'
    addresses = _addresses(domain)
    if not addresses:
        return [f"{domain} does not resolve, so no certificate can be issued; {otherwise}"]
    known = {*own, *_addresses(reached_at)}
    if addresses & known:
        return []
    if all(_is_public(found) for found in addresses) and not any(map(_is_public, known)):
        return []
    found, ours = ", ".join(sorted(addresses)), ", ".join(sorted(known))
    return [f"{domain} resolves to {found}, but this host is {ours}; {otherwise}"]


def _addresses(name: str) -> set[str]:
    try:
        return {str(found[4][0]).partition("%")[0] for found in socket.getaddrinfo(name, None)}
    except OSError:
        return set()


def _is_public(address: str) -> bool:
    return ipaddress.ip_address(address).is_global
