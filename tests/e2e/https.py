"""A domain's certificate as its user gets one, and the domain as a browser or any other client sees it."""

import base64
import json
import socket
import ssl
from dataclasses import dataclass
from typing import Any

import urllib3
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

from .authority import Authority
from .command import run
from .machine import Machine

DOMAIN = "flights.example.test"
ROOT_CERTIFICATE = "/var/lib/flights-mlops/caddy/pki/authorities/local/root.crt"


@dataclass
class Site:
    """A domain on a machine, asked from outside of that, by its own address."""

    machine: Machine
    root: str
    """The one authority that is trusted, in PEM."""
    through: str = ""
    """Address of the machine on another network."""

    @property
    def address(self) -> str:
        """The machine's address, as others on its network reach it."""
        if self.through:
            return self.through
        found = run(["docker", "inspect", "--format", "{{.NetworkSettings.IPAddress}}", self.machine.container])
        return found.stdout.strip()

    @property
    def trust(self) -> ssl.SSLContext:
        """What a client verifies certificates with."""
        return ssl.create_default_context(cadata=self.root)

    def get(self, path: str, *, port: int = 443, **options: Any) -> urllib3.BaseHTTPResponse:
        """Ask for something: over HTTPS, verified, or over HTTP where the port is another."""
        return self.ask("GET", path, port=port, **options)

    def ask(
        self,
        method: str,
        path: str,
        *,
        port: int = 443,
        headers: dict[str, str] | None = None,
        **options: Any,
    ) -> urllib3.BaseHTTPResponse:
        """Ask for something or send something, at the path as it is written."""
        named = {"Host": DOMAIN, **(headers or {})}
        if port != 443:
            plain = urllib3.HTTPConnectionPool(self.address, port)
            return plain.urlopen(method, path, headers=named, redirect=False, **options)
        pool = urllib3.HTTPSConnectionPool(
            self.address, port, ssl_context=self.trust, server_hostname=DOMAIN, assert_hostname=DOMAIN
        )
        return pool.urlopen(method, path, headers=named, redirect=False, **options)

    def log_in(self, password: str) -> urllib3.BaseHTTPResponse:
        """Ask for a token."""
        body = json.dumps({"username": "airflow", "password": password})
        return self.ask("POST", "/auth/token", headers={"Content-Type": "application/json"}, body=body)

    def certificate(self) -> x509.Certificate:
        """Return the certificate that is served, verified."""
        with (
            socket.create_connection((self.address, 443), timeout=10) as plain,
            self.trust.wrap_socket(plain, server_hostname=DOMAIN) as encrypted,
        ):
            return x509.load_der_x509_certificate(encrypted.getpeercert(binary_form=True) or b"")

    def key_hash(self) -> str:
        """Return the hash of the served key, by which Chromium can be told that it is the right one."""
        key = self.certificate().public_key()
        text = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
        digest = hashes.Hash(hashes.SHA256())
        digest.update(text)
        return base64.b64encode(digest.finalize()).decode()


def issued(authority: Authority, domain: str = DOMAIN) -> list[str]:
    """Have an authority write a certificate into files; gives the settings that name them."""
    certificate, key = authority.sign(domain)
    settings = ("tls=files", f"certificate_file={certificate}", f"certificate_key_file={key}")
    return [word for setting in settings for word in ("--data", setting)]
