"""The proxy and the private CAs of a host: which files, with what in them, and who may read that."""  # noqa: INP001 - a package of the name `deploy` would hide the real one

import base64
import re
import shlex
import subprocess
from pathlib import Path

import pytest

from deploy import egress, script
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
    assert egress.files(Settings()) == {}


def test_each_certificate_has_a_file(bundle: Path) -> None:
    """As update-ca-certificates wants it; what is no certificate, such as a key, stays here."""
    files = egress.files(Settings(ca_file=str(bundle)))
    assert list(files) == [
        f"/usr/local/share/ca-certificates/flights-mlops-{number}.crt" for number in (1, 2)
    ]
    for mode, content in files.values():
        assert mode == "644"
        assert re.fullmatch(r"-----BEGIN CERTIFICATE-----\n[^-]+\n-----END CERTIFICATE-----\n", content)


def test_a_password_is_in_files_only_root_reads() -> None:
    """A proxy without one may be seen by those who use apt."""
    for mode, content in egress.files(Settings(proxy=PROXY)).values():
        assert ("canary" in content) == (mode == "600")
    assert egress.files(Settings(proxy="http://proxy.test:3128"))[egress.APT][0] == "644"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, r"cannot be read here \(No such file or directory\)"),
        (b"-----BEGIN RSA PRIVATE KEY-----\n", "holds no certificate"),
        (b"\xff\xfe\x00", "cannot be read here"),
        (
            b"-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n",
            "its certificate 1 cannot be read",
        ),
        (b"-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n", "its certificate 1 cannot be read"),
    ],
)
def test_what_is_no_bundle_is_refused(tmp_path: Path, content: bytes | None, reason: str) -> None:
    """In one sentence that names the setting and the file."""
    path = tmp_path / "authorities.pem"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ValueError, match=f'^setting "ca_file" names {path}, which .*{reason}') as caught:
        egress.files(Settings(ca_file=str(path)))
    assert "\n" not in str(caught.value)


def test_the_host_says_what_is_expected(bundle: Path, tmp_path: Path) -> None:
    """The listing of a host and what is wanted of it are made by two programs, and have to agree."""
    wanted = egress.files(Settings(proxy=PROXY, ca_file=str(bundle)))
    for path, (mode, content) in wanted.items():
        copy = tmp_path / path.lstrip("/")
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_text(content)
        copy.chmod(int(mode, 8))
    text = (script.SCRIPTS / "look.sh").read_text()
    function = re.findall(r"^files\(\) \{\n.*?^\}\n", text, re.MULTILINE | re.DOTALL)[0]
    for top in ("/etc/", "/usr/"):
        function = function.replace(top, f"{tmp_path}{top}")
    bundle_there = tmp_path / "etc/ssl/certs/ca-certificates.crt"
    bundle_there.parent.mkdir(parents=True)
    bundle_there.touch()
    command = f"state=/nowhere project=/nowhere configuration={tmp_path}/etc/flights-mlops\n{function}\nfiles"
    listed = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False).stdout
    found = {line for line in listed.splitlines() if line.startswith(egress.SEEN)}
    assert found == {
        f"{egress.SEEN}{tmp_path}{path} {mode} {egress.fingerprint(content)}"
        for path, (mode, content) in wanted.items()
    }


def test_a_shell_and_systemd_read_the_proxy_as_it_is() -> None:
    """Nothing in a proxy's address is special to either."""
    odd = "http://us%40er:p$a`s(s;@proxy.test:3128"
    lines = egress.proxy_variables(Settings(proxy=odd).proxy or "").splitlines()
    assert lines[0] == f"HTTP_PROXY='{odd}'"
    assert [shlex.split(line) for line in lines][3] == [f"https_proxy={odd}"]


def test_what_is_sent_is_a_line_for_each_file() -> None:
    """Path, mode and content have no blanks, by which the script takes a line apart."""
    for path, (mode, content) in egress.files(Settings(proxy=PROXY)).items():
        line = f"{path} {mode} {base64.b64encode(content.encode()).decode()}"
        assert len(line.split()) == 3
