"""The values that the kernel should have, as sysctl.d(5) has them, and those of a host."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from pyinfra.api import StringCommand

from deploy.core import files, paths, template
from deploy.core.facts import Fact, by_kind, look, table

VALUES = "/etc/sysctl.d/60-flights-mlops.conf"
KEPT = f"{paths.CONFIGURATION}/kernel.refused"
"""The values that the kernel kept when they were set: they are not set again before one of them changes."""
FILES = {
    VALUES: "kernel/sysctl.conf",
    "/etc/modprobe.d/flights-mlops.conf": "kernel/modprobe.conf",
    "/etc/security/limits.d/60-flights-mlops.conf": "kernel/limits.conf",
    "/etc/profile.d/flights-mlops.sh": "kernel/profile.sh",
    "/etc/systemd/coredump.conf.d/flights-mlops.conf": "kernel/coredump.conf",
}
"""Where each file goes on a host, and where it is here."""
PROC = "/proc/sys/"


@dataclass(frozen=True)
class Difference:
    """A value of the kernel that is another one than it should be."""

    path: str
    value: str
    found: str

    def __str__(self) -> str:
        """Return it as it is kept on the host."""
        return f"{self.path} {self.value} {self.found}"


@dataclass(frozen=True)
class KernelState:
    """The values of a host's kernel as they were found."""

    files: files.Files = field(default_factory=files.Files)
    values: Mapping[str, str] = field(default_factory=dict)
    """By their paths."""
    later: tuple[str, ...] = ()
    """Paths, which may be patterns, that a file sets which is read later than ours."""
    kept: frozenset[Difference] = frozenset()


class Kernel(Fact[KernelState]):
    """The values of the kernel that ``keys`` name: paths below /proc/sys, which may be patterns."""

    def command(self, *, keys: list[str]) -> StringCommand:
        """Return the command, which only reads."""
        return look(files.PROGRAM, "kernel/values", files=list(FILES), keys=keys)

    def read(self, lines: list[str]) -> KernelState:
        """Read its lines."""
        kinds = by_kind(lines, *files.KINDS, "value", "later", "kept")
        return KernelState(
            files.read(kinds),
            {row[0]: row[1] for row in table(kinds["value"], rf"{PROC}\S+", ".*")},
            tuple(PROC + path(key) for (key,) in table(kinds["later"], r"\S+")),
            frozenset(Difference(*row) for row in table(kinds["kept"], rf"{PROC}\S+", r"\S+", ".*")),
        )


def texts() -> dict[str, str]:
    """Return what the files on a host should hold, by path."""
    return {path: template.text(name) for path, name in FILES.items()}


def assignments(text: str) -> list[tuple[str, str]]:
    """Return the path below /proc/sys, which may be a pattern, and the value of each line of such a file."""
    found = re.findall(r"^[ \t]*-?([^#;=\s]+)[ \t]*=[ \t]*(.*\S)[ \t]*$", text, re.MULTILINE)
    return [(path(key), value) for key, value in found]


def path(key: str) -> str:
    """Return the path of a key: its first separator says whether dots or slashes divide it."""
    separators = re.sub(r"[^./]", "", key)
    return key.translate(str.maketrans("./", "/.")) if separators.startswith(".") else key


def missing(text: str, state: KernelState) -> list[str]:
    """Return the keys that the kernel does not have."""
    return [
        key.replace("/", ".") for key, _ in assignments(text) if not any(_matches(path, key) for path in state.values)
    ]


def differences(text: str, state: KernelState) -> list[Difference]:
    """Return the values that are other ones than the file says, but for those that a later file sets."""
    return [
        Difference(path, value, found)
        for key, value in assignments(text)
        for path, found in state.values.items()
        if _matches(path, key) and found != value and not any(fnmatchcase(path, later) for later in state.later)
    ]


def is_hardened(texts: dict[str, str], state: KernelState) -> bool:
    """Whether the files are there and the values set, but for those that the kernel keeps."""
    ours = state.files.hold(texts) and not state.files.pending
    return ours and not set(differences(texts[VALUES], state)) - state.kept


def _matches(path: str, key: str) -> bool:
    return fnmatchcase(path, PROC + key)
