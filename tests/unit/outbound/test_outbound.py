"""The proxy and the private CAs of a host: which files, with what in them, and who may read that."""

import base64
import re
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from deploy.outbound.facts import APT, BUNDLE, ENVIRONMENT, FileState, Outbound, files, proxy_variables
from deploy.settings import Settings

PROXY = "http://deploy:canary@proxy.test:3128"


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a file with two certificates, and text and a key between them, as companies hand them out."""
    directory = tmp_path_factory.mktemp("authorities")
    parts = []
    for name in ("one", "two"):
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
             "-subj", f"/CN={name}", "-keyout", directory / "key", "-out", directory / name],
            check=True, capture_output=True,
        )  # fmt: skip
        parts += [f"# {name}\n", (directory / name).read_text(), (directory / "key").read_text()]
    path = directory / "bundle.pem"
    path.write_text("".join(parts))
    return path


def test_nothing_is_set_by_default() -> None:
    """A host goes out directly, and trusts what it trusts."""
    assert files(Settings()) == []


def test_each_certificate_has_a_file(bundle: Path) -> None:
    """As update-ca-certificates wants it; what is no certificate, such as a key, stays here."""
    found = files(Settings(ca_file=str(bundle)))
    assert [file.path for file in found] == [
        f"/usr/local/share/ca-certificates/flights-mlops-{number}.crt" for number in (1, 2)
    ]
    for file in found:
        assert file.mode == "644"
        assert re.fullmatch(r"-----BEGIN CERTIFICATE-----\n[^-]+\n-----END CERTIFICATE-----\n", file.content)


def test_a_password_is_in_files_only_root_reads() -> None:
    """A proxy without one may be seen by those who use apt."""
    for file in files(Settings(proxy=PROXY)):
        assert ("canary" in file.content) == (file.mode == "600")
    assert {file.path: file.mode for file in files(Settings(proxy="http://proxy.test:3128"))}[APT] == "644"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, r"cannot be read \(No such file or directory\)"),
        (b"-----BEGIN RSA PRIVATE KEY-----\n", "contains no certificate"),
        (b"\xff\xfe\x00", "cannot be read"),
        (
            b"-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n",
            "its certificate 1 is invalid",
        ),
        (b"-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n", "its certificate 1 is invalid"),
    ],
)
def test_what_is_no_bundle_is_refused(tmp_path: Path, content: bytes | None, reason: str) -> None:
    """In one sentence that names the setting and the file."""
    path = tmp_path / "authorities.pem"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ValueError, match=f'^setting "ca_file" names {path}, which .*{reason}') as caught:
        files(Settings(ca_file=str(path)))
    assert "\n" not in str(caught.value)


def write(machine: Path, settings: Settings) -> None:
    """Put the files that are wanted on a machine, and then the bundle of certificates."""
    for file in files(settings):
        copy = machine / file.path.lstrip("/")
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_text(file.content)
        copy.chmod(int(file.mode, 8))
    bundle = machine / BUNDLE.lstrip("/")
    bundle.parent.mkdir(parents=True, exist_ok=True)
    bundle.touch()


def test_the_host_says_what_is_expected(machine: Path, see: Callable[..., Any]) -> None:
    """What a host has and what is wanted of it are told by two programs, and have to agree."""
    assert see(Outbound) == frozenset()
    settings = Settings(proxy=PROXY)
    write(machine, settings)
    expected = {file.state for file in files(settings)}
    assert see(Outbound) == expected
    (machine / ENVIRONMENT.lstrip("/")).chmod(0o644)
    assert len(see(Outbound) & expected) == len(expected) - 1


def test_a_file_that_came_after_the_bundle_does_not_count(machine: Path, see: Callable[..., Any]) -> None:
    """The bundle may lack it: the deploy that wrote it was interrupted."""
    settings = Settings(proxy=PROXY)
    write(machine, settings)
    (machine / BUNDLE.lstrip("/")).unlink()
    assert {state.fingerprint for state in see(Outbound)} == {"new"}
    assert FileState(APT, "600", "new") in see(Outbound)


def test_files_are_written_and_removed(machine: Path, run: Callable[..., Any], see: Callable[..., Any]) -> None:
    """As they are wanted, by the program; the password is in no other file."""
    (machine / "etc/ssl/certs").mkdir(parents=True)
    wanted = files(Settings(proxy=PROXY))
    lines = "".join(f"{file.path} {file.mode} {base64.b64encode(file.content.encode()).decode()}\n" for file in wanted)
    done = run("outbound/configure", stdin=lines, obsolete=[], lock_timeout=5)
    assert done.returncode == 0, done.stdout
    assert see(Outbound) == {file.state for file in wanted}
    assert "Proxy: configured; private CAs: 0" in done.stdout
    done = run("outbound/configure", obsolete=[file.path for file in wanted], lock_timeout=5)
    assert done.returncode == 0, done.stdout
    assert see(Outbound) == frozenset()


def test_a_shell_and_systemd_read_the_proxy_as_it_is() -> None:
    """Nothing in a proxy's address is special to either."""
    odd = "http://us%40er:p$a`s(s;@proxy.test:3128"
    lines = proxy_variables(Settings(proxy=odd).proxy or "").splitlines()
    assert lines[0] == f"HTTP_PROXY='{odd}'"
    assert [shlex.split(line) for line in lines][3] == [f"https_proxy={odd}"]


def test_what_is_sent_is_a_line_for_each_file() -> None:
    """Path and mode have no blanks, by which the program takes a line apart."""
    for file in files(Settings(proxy=PROXY)):
        assert len(f"{file.path} {file.mode}".split()) == 2
