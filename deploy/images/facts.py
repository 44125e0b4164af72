"""The file on a host that says which Python index image builds use."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from pyinfra.api import StringCommand

from deploy.core.facts import Fact, look, pairs


def fingerprint(text: str) -> str:
    """Return enough of a hash to see that the settings are others, and too little to guess a password by."""
    return hashlib.sha256(text.encode()).hexdigest()[:5]


@dataclass(frozen=True)
class File:
    """The file: its mode, or nothing where it is missing."""

    mode: str = ""
    given: str = ""
    """A fingerprint of the settings that it was made of."""

    def is_current(self, given: str) -> bool:
        """Whether it is there, made of these settings, and only root can read it: a password may stand in it."""
        return (self.mode, self.given) == ("600", given)


class Index(Fact[File]):
    """The file ``index.env``, which the build gets as a secret."""

    def command(self) -> StringCommand:
        """Return the command."""
        return look("images/index")

    def read(self, lines: list[str]) -> File:
        """Read the command's output."""
        return File(**pairs(lines, mode="[0-7]+", given="[0-9a-f]{5}"))
