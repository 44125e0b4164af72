"""The file on a host that says which Python index image builds use."""

from __future__ import annotations

from dataclasses import dataclass

from pyinfra.api import StringCommand

from deploy.core.facts import Fact, look, pairs


@dataclass(frozen=True)
class File:
    """The file: its mode, or nothing where it is missing."""

    mode: str = ""

    @property
    def is_closed(self) -> bool:
        """Whether it is there, and only root can read it: a password may stand in it."""
        return self.mode == "600"


class Index(Fact[File]):
    """The file ``index.env``, which the build gets as a secret."""

    def command(self) -> StringCommand:
        """Return the command."""
        return look("images/index")

    def read(self, lines: list[str]) -> File:
        """Read the command's output."""
        return File(pairs(lines, mode="[0-7]+").get("mode", ""))
