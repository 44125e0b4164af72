"""A certificate is looked at before anything is changed: each thing that is wrong with it is a sentence."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

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

from deploy.core.paths import CADDY_UID
from deploy.settings import Settings
from deploy.tls import facts
from deploy.tls.facts import Tls, address_problems, file_problems, key_and_certificate, port_problems, wanted

Program = Callable[..., "CompletedProcess[str]"]
See = Callable[..., Any]
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
    (folder / "k.pem").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, protection or NoEncryption()))
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
    assert file_problems(written(tmp_path, *names), NOW) == []


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
    assert file_problems(written(tmp_path, *names), NOW) == [
        f"{tmp_path}/c.pem is not for flights.example.com, but for {said}."
    ]


def test_a_certificate_of_another_time(tmp_path: Path) -> None:
    """Over, or not begun yet."""
    over = written(tmp_path, "flights.example.com", begins=NOW - 31 * DAY)
    assert file_problems(over, NOW) == [f"{tmp_path}/c.pem was valid until 2026-11-21 12:00 UTC; renew it."]
    early = written(tmp_path, "flights.example.com", begins=NOW + DAY)
    assert file_problems(early, NOW) == [
        f"{tmp_path}/c.pem is not valid before 2026-11-23 12:00 UTC; use one that is valid now."
    ]


def test_a_key_of_another_certificate(tmp_path: Path) -> None:
    """Each file is good by itself."""
    (tmp_path / "other").mkdir()
    written(tmp_path, "flights.example.com")
    written(tmp_path / "other", "flights.example.com")
    mixed = settings(tmp_path / "c.pem", tmp_path / "other/k.pem")
    assert file_problems(mixed, NOW) == [f"{tmp_path}/other/k.pem is not the key of {tmp_path}/c.pem."]


def test_a_key_with_a_passphrase(tmp_path: Path) -> None:
    """Nobody is there to type it when Caddy starts."""
    closed = written(tmp_path, "flights.example.com", protection=BestAvailableEncryption(b"secret"))
    assert file_problems(closed, NOW) == [f"{tmp_path}/k.pem has a passphrase; Caddy needs it without one."]


def test_files_of_something_else(tmp_path: Path) -> None:
    """Both are named; and a file that is not there is, with the reason."""
    (tmp_path / "text").write_text("no PEM")
    wrong = settings(tmp_path / "text", tmp_path / "text")
    assert file_problems(wrong, NOW) == [
        f"{tmp_path}/text contains no PEM certificate; name a file that does.",
        f"{tmp_path}/text contains no PEM private key; name a file that does.",
    ]
    missing = settings(tmp_path / "none", tmp_path)
    assert file_problems(missing, NOW) == [
        f"{tmp_path}/none cannot be read on the control node (No such file or directory).",
        f"{tmp_path} cannot be read on the control node (Is a directory).",
    ]


def test_key_and_certificate_are_one_text(tmp_path: Path) -> None:
    """Each block of PEM on lines of its own, also where a file does not end its last line."""
    given = written(tmp_path, "flights.example.com")
    for name in ("c.pem", "k.pem"):
        (tmp_path / name).write_text((tmp_path / name).read_text().strip())
    text = key_and_certificate(given)
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
    monkeypatch.setattr(facts, "_addresses", lambda name: names.get(name, {name}))
    problems = address_problems("flights.example.com", ssh, own)
    assert (problems == []) is fine, problems
    if not fine:
        assert "DNS" in problems[0]
        assert domain in problems[0]


def test_a_file_that_is_gone_is_said(tmp_path: Path) -> None:
    """Also where it was there when the deploy began."""
    with pytest.raises(ValueError, match=r"/none cannot be read on the control node \(No such file or directory\)\.$"):
        key_and_certificate(settings(tmp_path / "none", tmp_path / "none"))


def test_a_port_that_another_has() -> None:
    """Each is named with who has it; the UI's own is another."""
    domain = Settings(domain="flights.example.com")
    assert port_problems(domain, {}) == []
    assert port_problems(domain, {443: "nginx (pid 7)", 8080: "java (pid 8)"}) == [
        "port 443, which the domain flights.example.com needs, is used by nginx (pid 7); stop it."
    ]
    both = Settings(domain="flights.example.com", ui_port=443)
    assert port_problems(both, {}) == ["port 443 is used by the domain; set ui_port to another port."]
    assert port_problems(Settings(ui_port=443), {443: "nginx"}) == []


def test_a_certificate_arrives_closed(run: Program, see: See, machine: Path) -> None:
    """To all but Caddy, whatever was there before; the output says nothing of what is in it."""
    assert see(Tls) == {}
    done = run("tls/ensure", uid=CADDY_UID, given=True, stdin="canary\n")
    assert (done.returncode, done.stdout) == (0, "Certificate: /etc/flights-mlops/tls/certificate.pem\n")
    assert see(Tls) == wanted("canary\n")
    (machine / "etc/flights-mlops/tls/certificate.pem").chmod(0o644)
    assert see(Tls) != wanted("canary\n")
    run("tls/ensure", uid=CADDY_UID, given=True, stdin="other\n")
    assert see(Tls) == wanted("other\n")
    assert [path.name for path in (machine / "etc/flights-mlops/tls").iterdir()] == ["certificate.pem"]


def test_caddy_has_a_place_for_its_own(run: Program, see: See) -> None:
    """A certificate that was given stays: another release may need it."""
    assert run("tls/ensure", uid=CADDY_UID, given=False).returncode == 0
    assert see(Tls) == wanted("")
    run("tls/ensure", uid=CADDY_UID, given=True, stdin="canary\n")
    run("tls/ensure", uid=CADDY_UID, given=False)
    assert see(Tls).items() >= wanted("").items()
    assert see(Tls) == wanted("canary\n")
