"""The certificate that a domain is served with: one from files, or what Caddy needs to get its own."""

from __future__ import annotations

import hashlib
import ipaddress
import socket
from collections.abc import Generator
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from pyinfra import host
from pyinfra.api.exceptions import DeployError

from deploy.configuration import CADDY_UID
from deploy.inventory import current
from deploy.machine import Kept, look
from deploy.script import Run
from deploy.settings import Settings
from deploy.step import deploy, operation

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

# Closed to all but Caddy's user: where it writes, and where a certificate is that was given.
DIRECTORIES = {"caddy": Kept(CADDY_UID, "700"), "tls": Kept(CADDY_UID, "500")}
MODE = "400"


@deploy("Certificate")
def ensure() -> None:
    """With a domain, have its certificate on the host, or the place where Caddy keeps its own."""
    provide(name="Provide the certificate of the domain", settings=current())


@operation()
def provide(*, settings: Settings) -> Generator[Run]:
    """Send key and certificate as one file, so that at no moment a key is beside another's certificate."""
    if not settings.domain:
        host.noop("there is no domain")
        return
    text = ""
    if settings.tls == "files":
        try:
            text = both(settings)
        except OSError as fault:
            raise DeployError(f"{host.name}: {_unreadable(fault)}") from fault
    machine = look()
    digest = hashlib.sha256(text.encode()).hexdigest()
    kept = {name: machine.directories.get(name) for name in DIRECTORIES}
    if kept == DIRECTORIES and (not text or machine["certificate"] == f"{digest} {CADDY_UID} {MODE}"):
        host.noop(f"what {settings.domain} is served with is there")
        return
    yield Run("certificate", str(CADDY_UID), "given" if text else "own", text=text)


def both(settings: Settings) -> str:
    """Return the private key and the certificate with its chain, as one text in PEM."""
    files = (settings.certificate_key_file, settings.certificate_file)
    return "".join(f"{_read(name).decode().strip()}\n" for name in files)


def _read(name: str | None) -> bytes:
    return Path(name or "").expanduser().read_bytes()


def _unreadable(fault: OSError) -> str:
    return f"{fault.filename} cannot be read on this machine ({fault.strerror})."


def file_faults(settings: Settings, now: datetime) -> list[str]:
    """Return why a domain cannot be served with the certificate that the settings name, a sentence each."""
    # Only now: whoever has no certificate does not wait for it.
    from cryptography import x509  # noqa: PLC0415
    from cryptography.hazmat.primitives.serialization import load_pem_private_key  # noqa: PLC0415

    content, faults = {}, []
    for name in (settings.certificate_file, settings.certificate_key_file):
        try:
            content[name] = _read(name)
        except OSError as fault:
            faults.append(_unreadable(fault))
    leaf = key = None
    if (found := content.get(settings.certificate_file)) is not None:
        try:
            leaf = x509.load_pem_x509_certificates(found)[0]
        except ValueError:
            faults.append(f"{settings.certificate_file} holds no certificate in PEM.")
    if (found := content.get(settings.certificate_key_file)) is not None:
        try:
            key = load_pem_private_key(found, None)
        except TypeError:
            faults.append(f"{settings.certificate_key_file} has a passphrase; Caddy needs it without one.")
        except ValueError:
            faults.append(f"{settings.certificate_key_file} holds no private key in PEM.")
    if leaf is None:
        return faults
    if key is not None and key.public_key() != leaf.public_key():
        faults.append(f"{settings.certificate_key_file} is not the key of {settings.certificate_file}.")
    return faults + _certificate_faults(leaf, settings, now)


def _certificate_faults(leaf: Certificate, settings: Settings, now: datetime) -> list[str]:
    from cryptography import x509  # noqa: PLC0415

    faults, name, domain = [], settings.certificate_file, settings.domain or ""
    names: list[str] = []
    with suppress(x509.ExtensionNotFound):
        alternatives = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        names = alternatives.get_values_for_type(x509.DNSName)
    # A wildcard stands for one label, the first.
    if not {domain, "*." + domain.partition(".")[2]} & {found.lower() for found in names}:
        faults.append(f"{name} is not for {domain}, but for {', '.join(names) or 'no host name'}.")
    if now > leaf.not_valid_after_utc:
        faults.append(f"{name} was valid until {leaf.not_valid_after_utc:%F %R} UTC; renew it.")
    if now < leaf.not_valid_before_utc:
        faults.append(f"{name} is valid from {leaf.not_valid_before_utc:%F %R} UTC, and not yet.")
    return faults


def address_faults(domain: str, reached_at: str, own: list[str]) -> list[str]:
    """Return why no public authority would find the host under its domain, or nothing.

    ``reached_at`` is the host's name for SSH, and ``own`` the addresses that the host itself knows of. Where
    those are private ones and the domain has a public one, a router stands between, and nothing can be told.
    """
    otherwise = 'or set tls to "internal" or "files".'
    addresses = _addresses(domain)
    if not addresses:
        return [f"{domain} does not resolve, and so gets no certificate; mend its DNS record, {otherwise}"]
    known = {*own, *_addresses(reached_at)}
    if addresses & known:
        return []
    if all(_is_public(found) for found in addresses) and not any(map(_is_public, known)):
        return []
    said = ", ".join(sorted(addresses))
    ours = ", ".join(sorted(known))
    return [f"{domain} resolves to {said}, but this host is {ours}; mend its DNS record, {otherwise}"]


def _addresses(name: str) -> set[str]:
    try:
        return {str(found[4][0]).partition("%")[0] for found in socket.getaddrinfo(name, None)}
    except OSError:
        return set()


def _is_public(address: str) -> bool:
    return ipaddress.ip_address(address).is_global
