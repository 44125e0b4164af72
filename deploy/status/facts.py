"""The history of a host: what was deployed to it."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass

from pyinfra.api import StringCommand

from deploy.core.facts import Fact, MalformedLineError, look

FIELDS = 7


@dataclass(frozen=True)
class Event:
    """One line of the history, as ``record`` in core/host.sh writes it."""

    time: str
    event: str
    release: str
    detail: str
    commit: str
    owner: str
    message: str


class History(Fact[list[Event]]):
    """What was deployed to a host, the oldest first."""

    def command(self) -> StringCommand:
        """Return the command."""
        return look("status/history")

    def read(self, lines: list[str]) -> list[Event]:
        """Read the command's output; a line that was cut off, as on a full disk, is left out."""
        try:
            text = base64.b64decode("".join(lines), validate=True).decode(errors="replace")
        except binascii.Error as error:
            raise MalformedLineError(lines[0]) from error
        fields = (line.split("\t") for line in text.split("\n"))
        return [Event(*field) for field in fields if len(field) == FIELDS]
