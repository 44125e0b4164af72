"""The key of Docker's repository: that one alone, as real keys of gpg have it."""

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from deploy import docker
from deploy.core.shell import source
from deploy.docker.facts import SOURCES

# In place of apt: the download is a copy, and the lists can be read unless a file says otherwise.
HELPER = "/usr/lib/apt/apt-helper"
STUBS = f"""
apt_get() {{ [ ! -e /run/unreadable ]; }}
download() {{ cp /run/key.asc "${{@: -1}}"; }}
{source("docker/repository").replace(HELPER, "download")}
"""
URL = "https://docker.test"


class Keys:
    """A keyring."""

    def __init__(self, home: Path) -> None:
        """Make it."""
        if shutil.which("gpg") is None:
            pytest.skip("gpg, which makes the keys, is not installed here")
        self.home = home
        home.mkdir(mode=0o700)

    def gpg(self, *arguments: str) -> str:
        """Return what gpg says."""
        command = ["gpg", "--homedir", str(self.home), "--batch", "--quiet", *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    def make(self, name: str) -> str:
        """Make a key with a subkey; gives its fingerprint."""
        self.gpg("--passphrase", "", "--quick-generate-key", name, "ed25519", "sign", "never")
        found = re.findall(r"^fpr:+(\w{40}):", self.gpg("--list-keys", "--with-colons", name), re.MULTILINE)
        self.gpg("--passphrase", "", "--quick-add-key", found[0], "ed25519", "sign", "never")
        return str(found[0])

    def export(self, *names: str) -> str:
        """Return keys as one block of text."""
        return self.gpg("--armor", "--export", *names)


def test_the_fingerprint_is_that_of_docker() -> None:
    """As Docker documents it for Debian and Ubuntu."""
    assert docker.FINGERPRINT == "9DC858229FC7DD38854AE2D88D81803C0EBFCD88"


@pytest.fixture
def add(machine: Path, run: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that adds the repository on a machine, if its key has this fingerprint."""
    (machine / "etc/apt/sources.list.d").mkdir(parents=True)

    def add(fingerprint: str) -> Any:
        given = {"url": URL, "key": docker.KEYRING, "sources": SOURCES, "text": "Types: deb\n", "lock_timeout": 5}
        assert HELPER in source("docker/repository")
        return run("docker/repository", lines=STUBS, fingerprint=fingerprint, **given)

    return add


def test_no_other_key_is_trusted(machine: Path, add: Callable[..., Any], tmp_path: Path) -> None:
    """Nor that key together with another, in one block or two, nor something else than a key."""
    keys = Keys(tmp_path / "keys")
    try:
        right, wrong = keys.make("Right"), keys.make("Wrong")
        blocks = {name: keys.export(name) for name in ("Right", "Wrong")}
        cases = {
            blocks["Wrong"]: wrong,
            keys.export(): f"{right} {wrong}",
            blocks["Right"] + blocks["Wrong"]: right,
            "<html>Please log in.</html>\n": "no key",
        }
        sources, keyring = machine / SOURCES.lstrip("/"), machine / docker.KEYRING.lstrip("/")
        for text, found in cases.items():
            (machine / "run/key.asc").write_text(text)
            done = add(right)
            assert done.returncode != 0
            assert re.fullmatch(rf"error: {URL}/gpg contains {found}.* instead of .*\n", done.stdout), done
            assert not sources.exists()
            assert not keyring.exists()
        (machine / "run/key.asc").write_text(blocks["Right"])
        done = add(right)
        assert (done.returncode, done.stdout) == (0, f"Added Docker's repository {URL}\n")
        assert sources.read_text() == "Types: deb\n"
        assert keyring.read_text() == blocks["Right"]
        (machine / "run/unreadable").touch()
        assert "has no package lists" in add(right).stdout
        assert not sources.exists()
    finally:
        subprocess.run(["gpgconf", "--homedir", str(keys.home), "--kill", "all"], check=False)


def test_a_repository_that_is_unreachable_is_not_used(machine: Path, add: Callable[..., Any]) -> None:
    """Nor one that an earlier deploy has added: apt would stumble over it."""
    sources = machine / SOURCES.lstrip("/")
    sources.write_text("Types: deb\n")
    done = add("0" * 40)
    assert done.returncode == 0
    assert f"{URL} is unreachable" in done.stdout
    assert not sources.exists()
    sources.write_text("Types: deb\nURIs: https://mirror.example.test\n")
    add("0" * 40)
    assert sources.exists(), "what the administrator has written stays"
