"""What sshd should be told, and what its configuration comes to on a host."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from pyinfra.api import StringCommand

from deploy.core import files, template
from deploy.core.facts import Fact, by_kind, look, pairs

DROP_IN = "/etc/ssh/sshd_config.d/00-flights-mlops.conf"
WHO_GETS_IN = {"PasswordAuthentication", "KbdInteractiveAuthentication", "PermitRootLogin"}


def wanted(*, root: bool) -> str:
    """Return what sshd is told; ``root`` deploys."""
    return template.text("ssh/sshd.conf", root="prohibit-password" if root else "no")


def directives(text: str) -> dict[str, str]:
    """Return the keywords of a configuration, and their values."""
    lines = (line.partition(" ") for line in text.splitlines() if not line.startswith("#"))
    return {keyword: value for keyword, _, value in lines}


KEYWORDS = [keyword.lower() for keyword in directives(wanted(root=False))]


@dataclass(frozen=True)
class SshdState:
    """What the configuration of sshd comes to on a host."""

    files: files.Files = field(default_factory=files.Files)
    values: Mapping[str, str] = field(default_factory=dict)
    """By keyword, in lower case."""


class Sshd(Fact[SshdState]):
    """What the configuration of sshd comes to."""

    def command(self) -> StringCommand:
        """Return the command, which only reads."""
        return look(files.PROGRAM, "ssh/sshd", files=[DROP_IN], keywords=KEYWORDS)

    def read(self, lines: list[str]) -> SshdState:
        """Read its lines."""
        kinds = by_kind(lines, *files.KINDS, "sshd")
        return SshdState(files.read(kinds), pairs(kinds["sshd"], **dict.fromkeys(KEYWORDS, ".*")))


def unmet(text: str, state: SshdState) -> dict[str, str]:
    """Return what the configuration comes to where that is not what ``text`` says, by keyword."""
    found = {keyword: state.values.get(keyword.lower(), "") for keyword in directives(text)}
    return {
        keyword: found[keyword] for keyword, value in directives(text).items() if not _is_met(value, found[keyword])
    }


def is_hardened(text: str, state: SshdState) -> bool:
    """Whether sshd's configuration comes to what ``text`` says, whichever file it is in.

    Of what is not about who gets in, a file of the host's owner that sshd reads first has the last word.
    """
    found = unmet(text, state)
    ours = state.files.hold({DROP_IN: text})
    return not state.files.pending and not found.keys() & WHO_GETS_IN and (not found or ours)


def _is_met(value: str, found: str) -> bool:
    if value.startswith("-"):
        patterns, names = value.removeprefix("-").split(","), found.split(",")
        return bool(found) and not any(fnmatchcase(name, pattern) for name in names for pattern in patterns)
    if value.isdecimal():  # 0 is without a limit
        return found.isdecimal() and 0 < int(found) <= int(value)
    # sshd -T has the older name of prohibit-password, next to which "no" is the stricter one.
    met = {"prohibit-password": {"without-password", "prohibit-password", "no"}}
    return found.lower() in met.get(value, {value.lower()})
