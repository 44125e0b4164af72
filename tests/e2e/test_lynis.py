"""The audit of a whole host by lynis, from Debian's own package."""

import re

import pytest

from .command import ROOT
from .machine import Machine

# 62 before sshd and the kernel were part of a deploy.
AT_LEAST = 75


@pytest.fixture(scope="module")
def report(trixie: Machine) -> dict[str, list[str]]:
    """Return what lynis has found on the machine with the stack on it."""
    trixie.sudo("DEBIAN_FRONTEND=noninteractive apt-get -qq install --no-install-recommends lynis")
    # It knows the security archive by its host, and this machine asks a mirror of it.
    trixie.sudo("echo debian-skip-security-repository=yes >/etc/lynis/custom.prf")
    trixie.sudo("lynis audit system --quick --no-colors")
    found: dict[str, list[str]] = {}
    for line in trixie.sudo("cat /var/log/lynis-report.dat").stdout.splitlines():
        key, _, value = line.partition("=")
        found.setdefault(key.removesuffix("[]"), []).append(value)
    return found


def test_lynis_finds_a_hardened_host(report: dict[str, list[str]]) -> None:
    """By its index; a failure shows what it has to say."""
    (index,) = report["hardening_index"]
    assert int(index) >= AT_LEAST, report["suggestion"]


def test_what_lynis_suggests_is_left_with_a_reason(report: dict[str, list[str]]) -> None:
    """In the table of docs/security.md."""
    text = (ROOT / "docs/security.md").read_text()
    section = text.partition("## lynis\n")[2].partition("\n## ")[0]
    explained = set(re.findall(r"[A-Z]+(?:-\d+)?", section))
    suggested = {line.split("|")[0] for line in (*report["suggestion"], *report.get("warning", ()))}
    assert suggested <= explained
