"""A certificate is looked at before anything is changed: each thing that is wrong with it is a sentence."""  # noqa: INP001 - a package of the name `deploy` would hide the real one

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
)

from deploy import certificate
from deploy.certificate import address_faults, both, file_faults
from deploy.settings import Settings

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
DAY = timedelta(days=1)


def written(
    folder: Path,
    *names: str,
    begins: datetime = NOW - DAY,
    protection: KeySerializationEncryption | None = None,
) -> Settings:
    """Write a key and a certificate for these names into files; gives the settings that name them."""
    key = ec.generate_private_key(ec.SECP256R1())
    issued = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([]))
        .issuer_name(x509.Name([]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(begins + 30 * DAY)
    )
    if names:
        alternatives = x509.SubjectAlternativeName([x509.DNSName(name) for name in names])
        issued = issued.add_extension(alternatives, critical=True)
    (folder / "c.pem").write_bytes(issued.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM))
    (folder / "k.pem").write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, protection or NoEncryption())
    )
    return settings(folder / "c.pem", folder / "k.pem")


def settings(certificate_file: Path, key: Path) -> Settings:
    """Return the settings of a domain with these files."""
    return Settings(
        domain="flights.example.com",
        certificate_file=str(certificate_file),
        certificate_key_file=str(key),
        tls="files",
    )


@pytest.mark.parametrize(
    "names",
    [("flights.example.com",), ("*.example.com",), ("other.example", "Flights.Example.com")],
)
def test_a_certificate_for_the_domain_is_good(tmp_path: Path, names: tuple[str, ...]) -> None:
    """By its name, by a wildcard for its first label, in whatever case, among others."""
    assert file_faults(written(tmp_path, *names), NOW) == []


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (("example.com",), "example.com"),
        (("*.com", "*.a.example.com"), "*.com, *.a.example.com"),
        ((), "no host name"),
    ],
)
def test_a_certificate_for_another_domain(tmp_path: Path, names: tuple[str, ...], said: str) -> None:
    """The sentence says for which it is; a wildcard stands for one label only."""
    assert file_faults(written(tmp_path, *names), NOW) == [
        f"{tmp_path}/c.pem is not for flights.example.com, but for {said}."
    ]


def test_a_certificate_of_another_time(tmp_path: Path) -> None:
    """Over, or not begun yet."""
    over = written(tmp_path, "flights.example.com", begins=NOW - 31 * DAY)
    assert file_faults(over, NOW) == [f"{tmp_path}/c.pem was valid until 2026-11-21 12:00 UTC; renew it."]
    early = written(tmp_path, "flights.example.com", begins=NOW + DAY)
    assert file_faults(early, NOW) == [f"{tmp_path}/c.pem is valid from 2026-11-23 12:00 UTC, and not yet."]


def test_a_key_of_another_certificate(tmp_path: Path) -> None:
    """Each file is good by itself."""
    (tmp_path / "other").mkdir()
    written(tmp_path, "flights.example.com")
    written(tmp_path / "other", "flights.example.com")
    mixed = settings(tmp_path / "c.pem", tmp_path / "other/k.pem")
    assert file_faults(mixed, NOW) == [f"{tmp_path}/other/k.pem is not the key of {tmp_path}/c.pem."]


def test_a_key_with_a_passphrase(tmp_path: Path) -> None:
    """Nobody is there to type it when Caddy starts."""
    closed = written(tmp_path, "flights.example.com", protection=BestAvailableEncryption(b"secret"))
    assert file_faults(closed, NOW) == [f"{tmp_path}/k.pem has a passphrase; Caddy needs it without one."]


def test_files_of_something_else(tmp_path: Path) -> None:
    """Both are named; and a file that is not there is, with the reason."""
    (tmp_path / "text").write_text("no PEM")
    wrong = settings(tmp_path / "text", tmp_path / "text")
    assert file_faults(wrong, NOW) == [
        f"{tmp_path}/text holds no certificate in PEM.",
        f"{tmp_path}/text holds no private key in PEM.",
    ]
    missing = settings(tmp_path / "none", tmp_path)
    assert file_faults(missing, NOW) == [
        f"{tmp_path}/none cannot be read on this machine (No such file or directory).",
        f"{tmp_path} cannot be read on this machine (Is a directory).",
    ]


def test_key_and_certificate_are_one_text(tmp_path: Path) -> None:
    """Each block of PEM on lines of its own, also where a file does not end its last line."""
    given = written(tmp_path, "flights.example.com")
    for name in ("c.pem", "k.pem"):
        (tmp_path / name).write_text((tmp_path / name).read_text().strip())
    text = both(given)
    assert text.count("-----BEGIN ") == 2
    assert "----------" not in text
    assert text.index("PRIVATE KEY") < text.index("CERTIFICATE")


@pytest.mark.parametrize(
    ("domain", "ssh", "own", "fine"),
    [
        ("203.0.113.9", "vm1", ["203.0.113.9", "172.17.0.1"], True),
        ("203.0.113.9", "203.0.113.9", [], True),
        ("2001:db8::1", "vm1", ["10.0.0.4", "2001:db8::1"], True),
        ("93.184.216.34", "10.0.0.4", ["10.0.0.4", "172.17.0.1"], True),
        ("93.184.216.34", "8.8.8.8", ["10.0.0.4"], False),
        ("10.0.0.5", "10.0.0.4", ["10.0.0.4"], False),
        ("", "10.0.0.4", ["10.0.0.4"], False),
    ],
    ids=["own", "as for SSH", "IPv6", "behind a router", "another", "another private one", "none"],
)
def test_where_the_domain_has_to_lead(
    monkeypatch: pytest.MonkeyPatch, domain: str, ssh: str, own: list[str], *, fine: bool
) -> None:
    """To the host, or to a router before it of which the host cannot know."""
    names = {"flights.example.com": {domain} - {""}, "vm1": set()}
    monkeypatch.setattr(certificate, "_addresses", lambda name: names.get(name, {name}))
    faults = address_faults("flights.example.com", ssh, own)
    assert (faults == []) is fine, faults
    if not fine:
        assert "DNS" in faults[0]
        assert domain in faults[0]
