"""A domain's certificate as its user gets one, and the domain as a browser or any other client sees it."""

import base64
import datetime as dt
import socket
import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import urllib3
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from .command import run
from .machine import Machine

DOMAIN = "flights.example.test"
ROOT_CERTIFICATE = "/var/lib/flights-mlops/caddy/pki/authorities/local/root.crt"
DAY = dt.timedelta(days=1)


@dataclass
class Site:
    """A domain on a machine, asked from outside of that, by its own address."""

    machine: Machine
    root: str
    """The one authority that is trusted, in PEM."""

    @property
    def address(self) -> str:
        """The machine's address, as others on its network reach it."""
        found = run(
            ["docker", "inspect", "--format", "{{.NetworkSettings.IPAddress}}", self.machine.container]
        )
        return found.stdout.strip()

    @property
    def trust(self) -> ssl.SSLContext:
        """What a client verifies certificates with."""
        return ssl.create_default_context(cadata=self.root)

    def get(self, path: str, *, port: int = 443, **options: Any) -> urllib3.BaseHTTPResponse:
        """Ask for something: over HTTPS, verified, or over HTTP where the port is another."""
        if port != 443:
            plain = urllib3.HTTPConnectionPool(self.address, port)
            return plain.request("GET", path, headers={"Host": DOMAIN}, redirect=False, **options)
        pool = urllib3.HTTPSConnectionPool(
            self.address, port, ssl_context=self.trust, server_hostname=DOMAIN, assert_hostname=DOMAIN
        )
        return pool.request("GET", path, headers={"Host": DOMAIN}, redirect=False, **options)

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


@dataclass
class Authority:
    """An authority of a company's own, which writes certificates into files."""

    directory: Path
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))

    def __post_init__(self) -> None:
        """Make its own certificate."""
        self.directory.mkdir(parents=True, exist_ok=True)
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "An authority of these tests")])
        self.certificate = (
            self._builder(self.name, self.key)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .sign(self.key, hashes.SHA256())
        )

    @property
    def root(self) -> str:
        """What clients trust, in PEM."""
        return self.certificate.public_bytes(serialization.Encoding.PEM).decode()

    def _builder(self, subject: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
        now = dt.datetime.now(dt.UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self.name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - DAY)
            .not_valid_after(now + 30 * DAY)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), critical=False
            )
        )

    def issue(self, domain: str = DOMAIN) -> list[str]:
        """Write a key and a certificate into files; gives the settings that name them."""
        key = ec.generate_private_key(ec.SECP256R1())
        issued = (
            self._builder(x509.Name([]), key)
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(domain)]), critical=True)
            .sign(self.key, hashes.SHA256())
        )
        files = {
            "certificate_file": issued.public_bytes(serialization.Encoding.PEM),
            "certificate_key_file": key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            ),
        }
        options = ["--data", "tls=files"]
        for name, text in files.items():
            (self.directory / name).write_bytes(text)
            options += ["--data", f"{name}={self.directory / name}"]
        return options
