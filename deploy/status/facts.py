"""The history of a host, and the DAGs that Airflow has loaded."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass

from pyinfra.api import StringCommand

from deploy.core.facts import Fact, MalformedLineError, look, pairs

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


@dataclass(frozen=True)
class Dags:
    """The DAGs of the current release, as Airflow knows them; None where it was not asked or did not answer."""

    loaded: int | None = None
    """How many it has loaded."""
    errors: int | None = None
    """How many files it could not import since the release started."""


def dags_in_words(found: Dags, imported: int | None) -> str:
    """Return how many DAGs and import errors there are, or nothing where Airflow does not say it.

    ``imported`` is how many the deploy has imported of the same release, if it has: Airflow loads them seconds after.
    """
    if found.loaded is None:
        return ""
    if found.errors:
        return f"{_count(found.loaded, 'DAG')}, {_count(found.errors, 'import error')}"
    return _count(max(found.loaded, imported or 0), "DAG")


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


class LoadedDags(Fact[Dags]):
    """What Airflow has loaded of the current release."""

    def command(self) -> StringCommand:
        """Return the command."""
        return look("stack/judge", "status/dags")

    def read(self, lines: list[str]) -> Dags:
        """Read the command's output."""
        found = {key: int(value) for key, value in pairs(lines, loaded=r"\d+", errors=r"\d+").items()}
        return Dags(found.get("loaded"), found.get("errors"))


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
